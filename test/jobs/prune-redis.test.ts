import { describe, expect, test } from "vitest";
import { makeApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE } from "../support/hands.ts";
import { sharedRedis, useClient, useRedis } from "../support/redis.ts";

const redis = sharedRedis();

const CONFIG = `
redis:
  prune:
    - { keys: "telegram_message:*", olderThan: 8m, age: [{ ttl: 24h }, idle], withoutTtl: expire }
    - { keys: "celery-task-meta-*", olderThan: 8m, age: [{ json: date_done }] }
`;

const app = (config = CONFIG) => makeApp(config, redis.server().url);

/** A key whose TTL was 24 h when it was made, so long ago; never in the millisecond that marks a given TTL. */
async function message(name: string, ageMs: number): Promise<void> {
  const expiry = Math.floor((Date.now() + DAY - ageMs) / 1_000) * 1_000;
  await redis.client().set(`telegram_message:${name}`, "v", "PXAT", expiry);
}

async function result(name: string, ageMs: number): Promise<void> {
  const done = new Date(Date.now() - ageMs).toISOString().replace("Z", "000");
  const value = JSON.stringify({ status: "SUCCESS", result: 1, date_done: done });
  await redis.client().set(`celery-task-meta-${name}`, value);
}

test("removes the keys whose age is proved, and tells of each rule what it removed and what it kept", async () => {
  const client = redis.client();
  for (const name of ["1", "2"]) await message(name, HOUR);
  await message("young", MINUTE);
  await client.set("telegram_message:forever", "v");
  await client.rpush("telegram_message:list", "v");
  await result("old", HOUR);
  await result("young", MINUTE);
  await client.set("celery-task-meta-odd", "no json");
  await client.set("unrelated", "v");

  const { lines, report, error } = await (await app()).run("prune-redis");

  expect(error).toBeUndefined();
  expect(lines).toEqual([
    "celery-task-meta-* (db 0): done: 1 key older than 8m",
    "celery-task-meta-* (db 0): kept: 1 key whose age cannot be proved",
    "celery-task-meta-* (db 0): kept: 1 key younger than 8m",
    "telegram_message:* (db 0): done: 2 keys older than 8m",
    "telegram_message:* (db 0): kept: 1 key that are lists or streams, which may be queues",
    "telegram_message:* (db 0): kept: 1 key with no TTL and no provable age, given a TTL of 8m",
    "telegram_message:* (db 0): kept: 1 key younger than 8m",
  ]);
  expect(report).toMatchObject({ status: "done", totals: { done: 3, kept: 5, failed: 0 } });
  expect(report.totals.bytes).toBeGreaterThan(100);
  expect((await client.keys("*")).sort()).toEqual([
    "celery-task-meta-odd",
    "celery-task-meta-young",
    "telegram_message:forever",
    "telegram_message:list",
    "telegram_message:young",
    "unrelated",
  ]);
});

test("says so when there is nothing to remove", async () => {
  const { lines, report } = await (await app()).run("prune-redis");
  expect(lines).toEqual([
    "celery-task-meta-* (db 0): done: 0 keys older than 8m",
    "telegram_message:* (db 0): done: 0 keys older than 8m",
  ]);
  expect(report.totals).toMatchObject({ done: 0, kept: 0 });
});

test("in the next run what was given a TTL may live it out", async () => {
  await redis.client().set("telegram_message:forever", "v");
  const scraper = await app();
  await scraper.run("prune-redis");
  expect((await scraper.run("prune-redis")).lines).toContain(
    "telegram_message:* (db 0): kept: 1 key given a TTL before, which they may live out",
  );
});

test("a dry run says exactly what an apply then does, and changes no key and no TTL", async () => {
  const client = redis.client();
  for (const name of ["1", "2", "3"]) await message(name, HOUR);
  await client.set("telegram_message:forever", "v");
  await result("old", HOUR);
  const facts = async () =>
    Promise.all((await client.keys("*")).sort().map(async (key) => [key, await client.pexpiretime(key)]));
  const before = await facts();
  const scraper = await app();

  const planned = await scraper.run("prune-redis", { mode: "plan" });

  expect(await facts()).toEqual(before);
  expect(planned.report.totals).toMatchObject({ planned: 4, done: 0 });
  expect(planned.lines).toContain(
    "telegram_message:* (db 0): kept: 1 key with no TTL and no provable age, to be given a TTL of 8m",
  );
  const done = await scraper.run("prune-redis");
  expect(done.report.totals).toMatchObject({ done: 4, planned: 0, kept: planned.report.totals.kept });
});

test("a limit stops the job, and what was done stays in the report", async () => {
  for (const name of ["1", "2", "3"]) await message(name, HOUR);
  const { error, lines, report } = await (await app(`${CONFIG}\nlimits: { keys: 2 }`)).run("prune-redis");
  expect(error).toMatchObject({
    code: "refused",
    message: expect.stringMatching(/^limits\.keys .*is reached/),
  });
  expect(lines).toEqual([
    "telegram_message:* (db 0): done: 2 keys older than 8m",
    "telegram_message:* (db 0): kept: 1 key over the limit",
  ]);
  expect(report.totals.done).toBe(2);
  expect(await redis.client().dbsize()).toBe(1);
});

describe("when the run is aborted", () => {
  test("it ends after the current page, with what it did in the report", async () => {
    const program = "for i = 1, 50000 do redis.call('SET', 'telegram_message:' .. i, 'v', 'PX', ARGV[1]) end";
    await redis.client().eval(program, 0, DAY - HOUR);
    const stop = new AbortController();
    const { error, report, lines } = await (await app()).run("prune-redis", {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error("enough")),
    });
    expect(error).toMatchObject({ message: "enough" });
    expect(report.totals.done).toBeGreaterThan(0);
    expect(await redis.client().dbsize()).toBe(50_000 - report.totals.done);
    expect(lines).toEqual([`telegram_message:* (db 0): done: ${report.totals.done} keys older than 8m`]);
  });
});

describe("when Redis is away", () => {
  test("from the start: nothing is told but the error", async () => {
    const { error, report } = await (await makeApp(CONFIG)).run("prune-redis");
    expect(error).toMatchObject({ code: "redis-unreachable" });
    expect(report.totals).toMatchObject({ done: 0, failed: 0 });
  });

  test("before the second rule: what the first one did is in the report", async () => {
    const server = await useRedis();
    await useClient(server.url).set("telegram_message:1", "v", "PX", DAY - HOUR);
    let killed: Promise<void> | undefined;
    const scraper = await makeApp(CONFIG, server.url);
    const { error, lines } = await scraper.run("prune-redis", {
      onProgress: () => {
        killed ??= server.kill();
      },
    });
    await killed;
    expect(error).toMatchObject({
      code: "redis-unreachable",
      message: expect.stringMatching(/^Redis was lost/),
    });
    expect(lines).toContain("telegram_message:* (db 0): done: 1 key older than 8m");
  });
});

test("several servers and databases in one config are each pruned by their own rules", async () => {
  const second = await useRedis();
  const other = useClient(second.url);
  const third = useClient(redis.server().url);
  await third.select(3);
  for (const client of [redis.client(), third, other]) await client.set("log:1", "v", "PX", DAY - HOUR);
  const ttl = "olderThan: 8m, age: [{ ttl: 24h }]";
  const { lines } = await (
    await app(`redis: { prune: [
      { keys: "log:*", ${ttl} },
      { keys: "log:*", db: 3, ${ttl} },
      { keys: "log:*", url: "${second.url}", ${ttl} },
      { keys: "log:*", url: "redis://127.0.0.1:1/5", ${ttl} },
    ] }`)
  ).run("prune-redis");
  expect(lines).toEqual([
    `log:* (db 0 of 127.0.0.1:${second.port}): done: 1 key older than 8m`,
    "log:* (db 0): done: 1 key older than 8m",
    "log:* (db 3): done: 1 key older than 8m",
  ]);
  for (const client of [redis.client(), third, other]) expect(await client.dbsize()).toBe(0);
});

test("the report says how each scan went, and why results of Celery never end", async () => {
  await message("old", HOUR);
  await message("young", MINUTE);
  await result("old", HOUR);
  const { report } = await (await app()).run("prune-redis");
  expect(report.scans).toMatchObject([
    { target: "telegram_message:* (db 0)", keys: 3, matched: 2, removed: 1, pages: 1 },
    {
      target: "celery-task-meta-* (db 0)",
      matched: 1,
      removed: 1,
      note: expect.stringContaining("result_expires"),
    },
  ]);
  const [scan] = report.scans ?? [];
  expect(scan?.bytes).toBeGreaterThan(20);
  expect(scan?.worstPageMs).toBeGreaterThan(0);
});
