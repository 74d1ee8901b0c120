import { describe, expect, test } from "vitest";
import * as keyRewrite from "../attacks/key-rewrite.ts";
import { makeApp } from "../support/app.ts";
import { DAY, HOUR } from "../support/hands.ts";
import { sharedRedis } from "../support/redis.ts";

const redis = sharedRedis();
const KIB = 1_024;

const app = (rule: string) => makeApp(`redis: { prune: [${rule}] }`, redis.server().url);

test("Kombu's keys behind its global_keyprefix are kept by a rule on that prefix", async () => {
  const client = redis.client();
  await client.hset("myapp_unacked", "tag", "a task that a worker has taken");
  await client.zadd("myapp_unacked_index", 1, "tag");
  await client.set("myapp_unacked_mutex", "lock");
  await client.sadd("myapp__kombu.binding.celery", "celery");
  await client.sadd("myapp_kombu.binding.celery", "celery");
  await client.set("myapp_cache", "x");
  const kept = ["myapp_unacked", "myapp_unacked_index", "myapp_unacked_mutex", "myapp__kombu.binding.celery"];
  const all = [...kept, "myapp_kombu.binding.celery", "myapp_cache"];
  for (const key of all) await client.pexpire(key, DAY - 3 * HOUR); // old, by its TTL

  const { error } = await (await app('{ keys: "myapp*", olderThan: 1h, age: [{ ttl: 24h }] }')).run(
    "prune-redis",
  );

  expect(error).toBeUndefined();
  expect((await client.keys("*")).sort()).toEqual([...kept, "myapp_kombu.binding.celery"].sort());
});

describe("a result that is too large to be read without holding Redis up", () => {
  const RULE = '{ keys: "result:*", olderThan: 1h, age: [{ json: date_done }] }';
  const resultOf = (bytes: number) =>
    JSON.stringify({ date_done: new Date(Date.now() - DAY).toISOString(), result: "x".repeat(bytes) });

  /** How often a value was read since the server was asked to forget. */
  async function reads(): Promise<number> {
    const stats = await redis.client().info("commandstats");
    return Number(/^cmdstat_getrange:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
  }

  test.each([
    { size: "200 KiB", bytes: 200 * KIB, outcome: "done", reason: "1 key older than 1h", read: 1 },
    {
      size: "300 KiB",
      bytes: 300 * KIB,
      outcome: "kept",
      reason: "1 key whose age cannot be proved",
      read: 1, // of as much as may be read
    },
  ])("$size: $outcome, $reason", async ({ bytes, outcome, reason, read }) => {
    await redis.client().set("result:1", resultOf(bytes));
    await redis.client().config("RESETSTAT");
    const { lines } = await (await app(RULE)).run("prune-redis");
    expect(lines).toContain(`result:* (db 0): ${outcome}: ${reason}`);
    expect(await reads()).toBe(read);
    expect(await redis.client().exists("result:1")).toBe(outcome === "kept" ? 1 : 0);
  });
});

describe("beside a client that rewrites the keys all the time", () => {
  test("no fresh one goes", async () => {
    const { removed, kept, lost } = await keyRewrite.run({ seconds: 3 });
    expect(lost).toBe(0);
    expect([removed > 0, kept > 0]).toEqual([true, true]); // the race was really hit
  });

  test("the attack bites: who looks first and removes then removes fresh ones", async () => {
    const { lost } = await keyRewrite.run({ seconds: 3, how: "naive" });
    expect(lost).toBeGreaterThan(0);
  });
});
