import { Queue, Worker } from "bullmq";
import { describe, expect, onTestFinished, test } from "vitest";
import { loadText, problemsOf } from "../config/workshop.ts";
import { makeApp } from "../support/app.ts";
import { HOUR } from "../support/hands.ts";
import { sharedRedis } from "../support/redis.ts";

/* Finished jobs of an application's own BullMQ queues. */

const redis = sharedRedis();
const rule = (more = "") => `redis: { prune: [{ bullmq: emails, olderThan: 10m${more} }] }`;

/** A queue with so many jobs done, half of them failed; each waits until it is over. */
async function useQueue(name: string, amount: number, prefix = "bull"): Promise<Queue> {
  const connection = { port: redis.server().port, maxRetriesPerRequest: null };
  const queue = new Queue(name, { connection, prefix, streams: { events: { maxLen: 77 } } });
  onTestFinished(() => queue.close());
  await queue.waitUntilReady();
  await finish(queue, amount, prefix);
  return queue;
}

async function finish(queue: Queue, amount: number, prefix = "bull"): Promise<void> {
  const connection = { port: redis.server().port, maxRetriesPerRequest: null };
  const before = (await queue.getCompletedCount()) + (await queue.getFailedCount());
  await queue.addBulk(Array.from({ length: amount }, (_, index) => ({ name: "send", data: { index } })));
  const work = async ({ data }: { data: { index: number } }) => {
    if (data.index % 2 === 1) throw new Error("refused");
  };
  const worker = new Worker(queue.name, work, { connection, prefix, concurrency: 50 });
  await expect
    .poll(async () => (await queue.getCompletedCount()) + (await queue.getFailedCount()), { timeout: 10_000 })
    .toBe(before + amount);
  await worker.close();
}

/** Makes all finished jobs look as if they had finished an hour ago, as BullMQ writes it down. */
async function age(queue: Queue, prefix = "bull"): Promise<void> {
  const client = redis.client();
  for (const state of ["completed", "failed"] as const) {
    const key = `${prefix}:${queue.name}:${state}`;
    for (const id of await client.zrange(key, "0", "-1")) {
      const finishedOn = Date.now() - 3_600_000;
      await client.zadd(key, finishedOn, id);
      await client.hset(`${prefix}:${queue.name}:${id}`, "finishedOn", finishedOn);
    }
  }
}

test("old ones go, young ones, waiting ones and other queues stay; the queue goes on working", async () => {
  const queue = await useQueue("emails", 400);
  const other = await useQueue("letters", 6);
  await age(other);
  await age(queue);
  await finish(queue, 10);
  await queue.add("send", { index: 0 }, { jobId: "waiting" });
  await redis.client().set("bull:emails:mine", "x");

  const app = await makeApp(rule(), redis.server().url);
  const { lines, report, error } = await app.run("prune-redis");

  expect(error).toBeUndefined();
  expect(lines).toEqual([
    "bull:emails (db 0): done: 400 jobs completed or failed, older than 10m",
    "bull:emails (db 0): kept: 10 jobs completed or failed, younger than 10m",
  ]);
  expect(report.totals).toMatchObject({ done: 400, kept: 10 });
  expect(await queue.getJobCounts("completed", "failed", "wait")).toEqual({
    completed: 5,
    failed: 5,
    wait: 1,
  });
  expect(await other.getJobCounts("completed", "failed")).toEqual({ completed: 3, failed: 3 });
  expect((await redis.client().keys("bull:emails:[0-9]*")).length).toBe(10); // no job's key is left over
  expect(await queue.getMeta()).toMatchObject({ maxLenEvents: 77 });
});

test("a dry run says the same and removes nothing", async () => {
  const queue = await useQueue("emails", 450);
  await age(queue);
  await finish(queue, 4);
  const app = await makeApp(rule(), redis.server().url);
  const planned = await app.run("prune-redis", { mode: "plan" });
  expect(planned.report.totals).toMatchObject({ planned: 450, kept: 4, done: 0 });
  expect(await queue.getJobCounts("completed", "failed")).toEqual({ completed: 227, failed: 227 });
});

test("only the states, the prefix and the database of the rule", async () => {
  const queue = await useQueue("emails", 4, "app");
  await age(queue, "app");
  await age(await useQueue("emails", 4));
  const app = await makeApp(rule(", prefix: app, states: [failed]"), redis.server().url);
  const { report } = await app.run("prune-redis");
  expect(report.totals).toMatchObject({ done: 2 });
  expect(await queue.getJobCounts("completed", "failed")).toEqual({ completed: 2, failed: 0 });
});

test("a queue that is not there is said so, and not made", async () => {
  const app = await makeApp(rule(), redis.server().url);
  expect((await app.run("prune-redis")).lines).toEqual(["bull:emails (db 0): kept: there is no such queue"]);
  expect(await redis.client().dbsize()).toBe(0);
});

test("a limit stops it", async () => {
  const queue = await useQueue("emails", 10);
  await age(queue);
  const app = await makeApp(`${rule()}\nlimits: { keys: 3 }`, redis.server().url);
  const { error, report } = await app.run("prune-redis");
  expect(error).toMatchObject({ code: "refused", message: expect.stringContaining("limits.keys (3)") });
  expect(report.totals.done).toBe(3);
  expect(await queue.getCompletedCount()).toBe(2);
});

test.each(["plan", "apply"] as const)(
  "keys and jobs count together for limits.keys, in a %s",
  async (mode) => {
    await age(await useQueue("emails", 10));
    await age(await useQueue("letters", 10));
    for (let n = 0; n < 4; n++) await redis.client().set(`tg:${n}`, "x", "PX", HOUR);
    const limited = (keys: number) =>
      `redis:
  prune:
    - { keys: "tg:*", olderThan: 1h, age: [{ ttl: 24h }] }
    - { bullmq: emails, olderThan: 10m }
    - { bullmq: letters, olderThan: 10m }
limits: { keys: ${keys} }`;
    const short = await (await makeApp(limited(23), redis.server().url)).run("prune-redis", { mode });
    expect(short.error).toMatchObject({
      code: "refused",
      message: "limits.keys (23) is reached: keys and finished jobs count together",
    });
    const whole = { planned: 19, done: 0 }; // a plan takes the jobs of a state together
    expect(short.report.totals).toMatchObject(mode === "plan" ? whole : { planned: 0, done: 23 });
    const [left, gone] = mode === "plan" ? ([24, "planned"] as const) : ([1, "done"] as const);
    const exactly = await (await makeApp(limited(left), redis.server().url)).run("prune-redis", { mode });
    expect([exactly.error, exactly.report.totals[gone]]).toEqual([undefined, left]);
  },
);

test("without Redis nothing is told but the error", async () => {
  const { error } = await (await makeApp(rule())).run("prune-redis");
  expect(error).toMatchObject({ code: "redis-unreachable" });
});

describe("in a config", () => {
  test.each([
    { line: "{ bullmq: 'a:b', olderThan: 1d }", says: "expected the name of a BullMQ queue" },
    { line: "{ bullmq: a, olderThan: 1d, prefix: '{safe-shutdown-a}' }", says: "not of safe-shutdown's own" },
    { line: "{ bullmq: a, olderThan: 1d, states: [wait] }", says: "completed" },
    { line: "{ bullmq: a, olderThan: 1d, age: [idle] }", says: "age" },
    { line: "{ bullmq: a }", says: "olderThan" },
    { line: "{ keys: 'a:*', bullmq: a, olderThan: 1d, age: [idle] }", says: "bullmq" },
  ])("$line is a problem", async ({ line, says }) => {
    const problems = await problemsOf(loadText(`app: a\nredis: { prune: [${line}] }`));
    expect(problems.map(({ path, message }) => `${path}: ${message}`).join()).toContain(says);
  });

  test("a duration of the application's own config is found for it too", async () => {
    const text = `app: a
redis: { prune: [{ bullmq: q, olderThan: { setting: "none.json#/x", unit: s, default: 90s } }] }`;
    const { config } = await loadText(text);
    expect(config.redis.queues).toMatchObject([{ queue: "q", prefix: "bull", olderThanMs: 90_000 }]);
  });
});
