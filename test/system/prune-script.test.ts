import { describe, expect, test } from "vitest";
import type { AgeRung } from "../../src/config/config.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../support/hands.ts";
import { type Case, fateOf, NOW } from "../support/prune-page.ts";
import { sharedRedis } from "../support/redis.ts";

/* The page script by itself, in a server whose clock is told what time it is: so that boundaries are exact. */

const redis = sharedRedis();
function fixed(value: unknown): string {
  return `redis.call('SET', 'k', '${JSON.stringify(value)}') `;
}

describe("the age from an initial TTL of 24 h", () => {
  test.each([
    { age: "just younger than 8 minutes", restMs: DAY - 8 * MINUTE + 1, fate: "young" },
    { age: "exactly 8 minutes", restMs: DAY - 8 * MINUTE, fate: "removed" },
    { age: "just older than 8 minutes", restMs: DAY - 8 * MINUTE - 1, fate: "removed" },
    { age: "nothing", restMs: DAY, fate: "young" },
    { age: "unknown, as the TTL is longer than the initial one", restMs: DAY + 1, fate: "unproved" },
    { age: "nearly 24 h", restMs: 1_000, fate: "removed" },
  ])("$age: $fate", async ({ restMs, fate }) => {
    const made = `redis.call('SET', 'k', 'v', 'PX', ${restMs}) `;
    const one = {
      made,
      ttlMs: restMs,
      age: [{ kind: "ttl", initialMs: DAY }],
      olderThanMs: 8 * MINUTE,
    } as const;
    expect(await fateOf(redis.client(), one)).toBe(fate);
  });

  test("is unknown without a TTL", async () => {
    const age = [{ kind: "ttl", initialMs: DAY }] as const;
    const made = "redis.call('SET', 'k', 'v') ";
    expect(await fateOf(redis.client(), { made, age, olderThanMs: 0 })).toBe("unproved");
  });
});

describe("the age from a date in the value", () => {
  const fateOfDate = (value: unknown, olderThanMs = HOUR, path = ["date_done"]) =>
    fateOf(redis.client(), { made: fixed(value), age: [{ kind: "json", path }], olderThanMs });

  test.each([
    { date: "2096-03-01T11:00:00.001000", fate: "young", age: "1 ms younger" },
    { date: "2096-03-01T11:00:00.000000", fate: "removed", age: "exactly as old" },
    { date: "2096-03-01T10:59:59.999000", fate: "removed", age: "1 ms older" },
    { date: "2096-03-01T11:00:00", fate: "removed", age: "exact, without a fraction" },
    { date: "2096-03-01 11:00:00", fate: "removed", age: "exact, with a blank" },
    { date: "2096-03-01T11:00:00Z", fate: "removed", age: "exact, in UTC" },
    { date: "2096-03-01T11:00:00.001Z", fate: "young", age: "younger, in UTC with a fraction" },
    { date: "2096-03-01T13:00:00+02:00", fate: "removed", age: "exact, east of Greenwich" },
    { date: "2096-03-01T13:00:00.001+02:00", fate: "young", age: "younger, east of Greenwich" },
    { date: "2096-03-01T05:30:00-0530", fate: "removed", age: "exact, west of Greenwich" },
    { date: "2096-03-01T12:00:00+02:00", fate: "removed", age: "older than it looks" },
    { date: "2096-02-28T23:00:00", fate: "removed", age: "of last month" },
    { date: "2104-02-29T00:00:00", fate: "young", age: "in the future" },
    { date: "2024-02-29T00:00:00", fate: "removed", age: "a true leap day" },
    { date: "2000-02-29T00:00:00", fate: "removed", age: "a leap day of a fourth century" },
  ])("of an hour: $date, $age: $fate", async ({ date, fate }) => {
    expect(await fateOfDate({ status: "SUCCESS", date_done: date })).toBe(fate);
  });

  test.each([
    { what: "no date", date: "yesterday" },
    { what: "a day without a time", date: "2020-01-01" },
    { what: "month 13", date: "2020-13-01T00:00:00" },
    { what: "month 0", date: "2020-00-01T00:00:00" },
    { what: "day 0", date: "2020-01-00T00:00:00" },
    { what: "the 31st of April", date: "2020-04-31T00:00:00" },
    { what: "a leap day of no leap year", date: "2023-02-29T00:00:00" },
    { what: "a leap day of a century", date: "1900-02-29T00:00:00" },
    { what: "hour 24", date: "2020-01-01T24:00:00" },
    { what: "minute 60", date: "2020-01-01T00:60:00" },
    { what: "second 61", date: "2020-01-01T00:00:61" },
    { what: "a zone by name", date: "2020-01-01T00:00:00 CET" },
    { what: "words after the time", date: "2020-01-01T00:00:00Zulu" },
    { what: "a number that is no time", date: 1_577_836 },
    { what: "null, as of a task that is not ready", date: null },
    { what: "an object", date: { at: "2020-01-01T00:00:00" } },
  ])("is unknown for $what", async ({ date }) => {
    expect(await fateOfDate({ date_done: date })).toBe("unproved");
  });

  test("is found deep inside", async () => {
    const value = { meta: { times: { done: "2020-01-01T00:00:00" } } };
    expect(await fateOfDate(value, HOUR, ["meta", "times", "done"])).toBe("removed");
    expect(await fateOfDate(value, HOUR, ["meta", "none", "done"])).toBe("unproved");
    expect(await fateOfDate(value, HOUR, ["meta"])).toBe("unproved");
  });

  test.each([
    { what: "no JSON", made: "redis.call('SET', 'k', 'plain') " },
    { what: "JSON that is a text", made: `redis.call('SET', 'k', '"2020-01-01T00:00:00"') ` },
    { what: "JSON far too deep", made: "redis.call('SET', 'k', string.rep('[', 100000)) " },
    { what: "a hash", made: "redis.call('HSET', 'k', 'date_done', '2020-01-01T00:00:00') " },
    { what: "bytes", made: "redis.call('SET', 'k', string.char(0, 255, 254)) " },
  ])("is unknown where the value is $what", async ({ made }) => {
    const age = [{ kind: "json", path: ["date_done"] }] as const;
    expect(await fateOf(redis.client(), { made, age, olderThanMs: 0 })).toBe("unproved");
  });
});

describe("the age from the idle time", () => {
  async function idleFor(seconds: number, value = "value"): Promise<void> {
    const client = redis.client();
    await client.set("k", value);
    const dump = await client.dumpBuffer("k");
    if (dump === null) throw new Error("expected the key to be there");
    await client.restore("k", 0, dump, "REPLACE", "IDLETIME", seconds);
  }
  const fate = (changes: Partial<Case> = {}) =>
    fateOf(redis.client(), { made: "", age: [{ kind: "idle" }], olderThanMs: HOUR, ...changes });

  test.each([
    { seconds: 3_590, fate: "used" },
    { seconds: 3_600, fate: "removed" },
    { seconds: 3_610, fate: "removed" },
  ])("$seconds s, of an hour: $fate", async ({ seconds, fate: expected }) => {
    await idleFor(seconds);
    expect(await fate()).toBe(expected);
  });

  test("proves nothing under an LFU policy", async () => {
    await idleFor(7_200);
    expect(await fate({ trustIdle: false })).toBe("unproved");
  });

  test.each([
    { uptimeSeconds: 7_000, expected: "unproved" },
    { uptimeSeconds: 7_300, expected: "removed" },
  ])("of two hours on a server up for $uptimeSeconds s: $expected", async ({ uptimeSeconds, expected }) => {
    await idleFor(7_200);
    expect(await fate({ uptimeSeconds })).toBe(expected);
  });

  test.each([
    { number: "0", expected: "unproved" },
    { number: "9999", expected: "unproved" },
    { number: "10000", expected: "removed" },
  ])(
    "of the number $number, small ones being shared between keys: $expected",
    async ({ number, expected }) => {
      await redis.client().set("k", number);
      expect(await fate({ olderThanMs: 0 })).toBe(expected);
    },
  );

  test("proves a key old, but not young: without a TTL it is given one", async () => {
    await idleFor(60);
    expect(await fate({ withoutTtl: "expire" })).toBe("given a TTL");
  });
});

describe("the ladder", () => {
  const made = `redis.call('SET', 'k', '{"at":"2096-03-01T11:59:59"}', 'PX', 3600000) `;
  const json: AgeRung = { kind: "json", path: ["at"] };
  const none: AgeRung = { kind: "json", path: ["nothing"] };
  const ttl: AgeRung = { kind: "ttl", initialMs: DAY };

  test.each([
    { ladder: "the first rung decides, though the second says old", age: [json, ttl], fate: "young" },
    { ladder: "the first rung decides, though the second says young", age: [ttl, json], fate: "removed" },
    { ladder: "the second is asked where the first proves nothing", age: [none, ttl], fate: "removed" },
    { ladder: "where none proves anything the key is kept", age: [none], fate: "unproved" },
  ])("$ladder", async ({ age, fate }) => {
    expect(await fateOf(redis.client(), { made, age, olderThanMs: MINUTE })).toBe(fate);
  });
});

describe("a key with no TTL and no provable age", () => {
  const age: readonly AgeRung[] = [{ kind: "json", path: ["nothing"] }];
  const made = "redis.call('SET', 'k', 'v') ";

  test("is kept by a rule that says so", async () => {
    expect(await fateOf(redis.client(), { made, age, olderThanMs: HOUR })).toBe("unproved");
    expect(await redis.client().pttl("k")).toBe(-1);
  });

  test("is given a TTL by a rule that says so, once", async () => {
    const client = redis.client();
    const rule = { age, olderThanMs: HOUR, withoutTtl: "expire" } as const;
    expect(await fateOf(client, { ...rule, made })).toBe("given a TTL");
    const expiry = await client.pexpiretime("k");
    expect(expiry).toBe(NOW + HOUR + 719);

    // at the next run its TTL looks like that of a key that is 23 hours old
    const next = { ...rule, age: [{ kind: "ttl", initialMs: DAY }], made: "" } as const;
    await client.set("k", "v", "PXAT", Math.floor(Date.now() / 1_000) * 1_000 + 30 * MINUTE + 719);
    expect(await fateOf(client, next)).toBe("given");
    await client.set("k", "v", "PXAT", Math.floor(Date.now() / 1_000) * 1_000 + 30 * MINUTE + 718);
    expect(await fateOf(client, next)).toBe("removed");
  });

  test("a TTL that could not come from the rule is not taken for a given one", async () => {
    const client = redis.client();
    await client.set("k", "v", "PXAT", Math.floor(Date.now() / 1_000) * 1_000 + 2 * HOUR + 719);
    const rule = { made: "", age: [{ kind: "ttl", initialMs: DAY }], withoutTtl: "expire" } as const;
    expect(await fateOf(client, { ...rule, olderThanMs: HOUR })).toBe("removed");
  });
});

test.each([
  { made: "redis.call('RPUSH', 'k', 'a') ", fate: "queue" },
  { made: "redis.call('XADD', 'k', '*', 'a', 'b') ", fate: "queue" },
  { made: "redis.call('SET', '_kombu.binding.celery', 'v', 'PX', 1000) ", fate: "protected" },
  { made: "redis.call('SET', 'any.pidbox', 'v', 'PX', 1000) ", fate: "protected" },
  { made: "redis.call('SET', 'celery', 'v', 'PX', 1000) ", fate: "protected" },
  { made: "redis.call('SET', 'celery2', 'v', 'PX', 1000) ", fate: "removed" },
  { made: "redis.call('SADD', 'k', 'a') redis.call('PEXPIRE', 'k', 1000) ", fate: "removed" },
  { made: "redis.call('HSET', 'k', 'a', 'b') redis.call('PEXPIRE', 'k', 1000) ", fate: "removed" },
])("after $made: $fate", async ({ made, fate }) => {
  const age = [{ kind: "ttl", initialMs: DAY }] as const;
  expect(await fateOf(redis.client(), { made, age, olderThanMs: SECOND })).toBe(fate);
});
