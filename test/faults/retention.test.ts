import { describe, expect } from "vitest";
import { LittleApp } from "../support/little-app.ts";
import { useRedis } from "../support/redis.ts";
import { fault } from "./fault.ts";

/*
 * What runs leave in Redis is bounded, by a count and by a time: a worker goes on for years.
 */

/** By then the histories of runs, of their jobs and of what happened to them are full. */
const KEPT_RUNS = 1_200;
/** The soak asks for 10,000. */
const MORE_RUNS = Number(process.env.SAFE_SHUTDOWN_SOAK_RUNS ?? 400);
/** Of different kinds, so that they go on together: the same would be joined. */
const kinds = [true, false].flatMap((force) =>
  (["plan", "apply"] as const).flatMap((mode) => [
    { mode, force },
    { mode, force, keepRedis: true },
  ]),
);

describe.concurrent("after hundreds of runs", () => {
  fault("the memory of Redis is flat", async ({ task }) => {
    const redis = await useRedis();
    const app = new LittleApp({ redisUrl: redis.url });
    const worker = await app.startWorker();
    const { application } = await app.open();
    const run = async (count: number) => {
      for (let done = 0; done < count; done += kinds.length) {
        const batch = kinds.map(
          async (kind) => (await (await application.start("clean", kind)).report()).verdict,
        );
        expect(new Set(await Promise.all(batch))).toEqual(new Set(["done"]));
      }
    };
    await run(KEPT_RUNS);
    const [bytes, keys] = await sizeOf(app);
    await run(MORE_RUNS);
    const [bytesNow, keysNow] = await sizeOf(app);
    Object.assign(task.meta, { bytes, bytesNow, keys, keysNow });
    expect(Math.abs(keysNow - keys)).toBeLessThan(keys * 0.01);
    expect(bytesNow).toBeLessThan(bytes * 1.05);
    worker.signal("SIGTERM");
    expect(await worker.result).toMatchObject({ code: 0 });
  });
});

async function sizeOf({ redis }: LittleApp): Promise<[bytes: number, keys: number]> {
  await redis.call("MEMORY", "PURGE");
  const [, bytes] = /used_memory_dataset:(\d+)/.exec(await redis.info("memory")) ?? [];
  return [Number(bytes), await redis.dbsize()];
}
