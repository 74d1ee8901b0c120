import { expect, type TestContext } from "vitest";
import { waitUntil } from "../support/processes.ts";
import type { Moment } from "./moments.ts";
import type { Scene } from "./scene.ts";

/** With the defaults, whatever a fault has interrupted has been taken up again within this. */
const RECOVERY_MS = 30_000;
/** How long it may take at all. */
const PATIENCE_MS = 200_000;

/** When a fault struck, and what. */
export interface Strike {
  /** The Redis key of the job that was interrupted. */
  readonly key: string;
  /** How often it had been begun by then. */
  readonly beginnings: number;
  readonly atMs: number;
}

/** To be called just before the fault. */
export async function strikeNow(scene: Scene, { job }: Moment): Promise<Strike> {
  const name = job === undefined ? /:runs:run-[^.:]+$/ : new RegExp(`:run-[^.:]+\\.\\d\\.${job}[^:]*$`);
  const { app } = scene;
  const keys = await Promise.all(scene.clients().map((client) => client.keys(app.key("*run-*"))));
  const key = keys.flat().find((one) => name.test(one));
  if (key === undefined) throw new Error(`expected a ${job ?? "run"} in the queue`);
  const beginnings = Number((await app.redis.hget(key, "ats")) ?? 0);
  return { key, beginnings, atMs: performance.now() };
}

/** For a fault that lasts: recovery can begin only now. */
export function fromNow(struck: Strike): Strike {
  return { ...struck, atMs: performance.now() };
}

/** Waits until the job has been begun again, or has ended, and expects it within the promised time. */
export async function expectRecovery({ app }: Scene, struck: Strike, { task }: TestContext): Promise<void> {
  const isTakenUp = async () => {
    const [begun, ended] = await app.redis.hmget(struck.key, "ats", "finishedOn");
    return Number(begun) > struck.beginnings || typeof ended === "string";
  };
  await waitUntil(isTakenUp, `${struck.key} to be taken up again`, PATIENCE_MS);
  const recoveryMs = Math.round(performance.now() - struck.atMs);
  Object.assign(task.meta, { recoveryMs });
  expect(recoveryMs).toBeLessThan(RECOVERY_MS);
}
