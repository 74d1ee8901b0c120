import type { Queues } from "./queues.ts";

/*
 * The hosts a run no longer counts on, and why. A set that only grows: once given up, a host stays so for this
 * run, because it must not clean later what it was not there to stop.
 */

/** By host; "" stands for the jobs that run once per run. */
export type GivenUp = Readonly<Record<string, string>>;

export const UNREACHABLE = "no live worker";
const REMEMBERED_MS = 86_400_000;

export async function giveUp(
  queues: Queues,
  run: string,
  host: string | undefined,
  reason: string,
): Promise<void> {
  const key = queues.key("given-up", run);
  await queues.redis
    .multi()
    .hsetnx(key, host ?? "", reason)
    .pexpire(key, REMEMBERED_MS)
    .exec();
}

export function givenUpOf(queues: Queues, run: string): Promise<GivenUp> {
  return queues.redis.hgetall(queues.key("given-up", run));
}

export function reasonGivenUp(givenUp: GivenUp, host: string | undefined): string | undefined {
  const name = host ?? "";
  return Object.hasOwn(givenUp, name) ? givenUp[name] : undefined;
}
