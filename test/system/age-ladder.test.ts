import { describe, expect, test } from "vitest";
import type { AgeRung, PruneRule } from "../../src/config/config.ts";
import { DAY, HOUR } from "../support/hands.ts";
import { fateOf, NOW } from "../support/prune-page.ts";
import { sharedRedis } from "../support/redis.ts";

/* Rungs beside ttl, idle and ISO dates in JSON; a rule of an hour, and the time is 2096-03-01T12:00:00Z. */

const redis = sharedRedis();
const SECONDS = NOW / 1_000;

interface Row {
  readonly made: string;
  readonly fate: string;
}

const set = (value: string | number) => `redis.call('SET', 'k', '${value}') `;
const hash = (value: string | number) => `redis.call('HSET', 'k', 'at', '${value}', 'other', 'x') `;
const scores = (...values: number[]) =>
  values.map((value, index) => `redis.call('ZADD', 'k', ${value}, 'm${index}') `).join("");
const entry = (id: string) => `redis.call('XADD', 'k', '${id}', 'a', 'b') `;
const named = (name: string) => `redis.call('SET', '${name}', 'v') `;

function ladderTest(
  name: string,
  age: readonly AgeRung[],
  rows: readonly Row[],
  type?: PruneRule["type"],
): void {
  describe(name, () => {
    test.each(rows)("$made: $fate", async ({ made, fate }) => {
      expect(await fateOf(redis.client(), { made, age, olderThanMs: HOUR, type })).toBe(fate);
    });
  });
}

/** Just younger, exactly, and just older than an hour, as a Unix time in seconds and in milliseconds. */
const unixTimes = [
  { value: SECONDS - 3_599.999, fate: "young" },
  { value: SECONDS - 3_600, fate: "removed" },
  { value: SECONDS - 3_600.001, fate: "removed" },
  { value: NOW - HOUR + 1, fate: "young" },
  { value: NOW - HOUR, fate: "removed" },
  { value: NOW - HOUR - 1, fate: "removed" },
  { value: SECONDS + 600, fate: "young" },
];
/** Numbers, but no times. */
const noTimes = [
  "0",
  "5",
  "-1",
  "1e9",
  "0x5f5e1000",
  "946684799",
  "99999999999999999",
  "nan",
  "inf",
  "",
  " 1577836800",
];

ladderTest(
  "a Unix time in JSON",
  [{ kind: "json", path: ["a", "at"] }],
  [
    ...unixTimes.map(({ value, fate }) => ({ made: set(`{"a":{"at":${value}}}`), fate })),
    ...unixTimes.map(({ value, fate }) => ({ made: set(`{"a":{"at":"${value}"}}`), fate })),
    ...[0, 5, -1, 946_684_799, 1e17, true].map((value) => ({
      made: set(`{"a":{"at":${value}}}`),
      fate: "unproved",
    })),
    { made: set('{"a":5}'), fate: "unproved" },
    { made: set("null"), fate: "unproved" },
    { made: set("1577836800"), fate: "unproved" },
  ],
);

ladderTest(
  "a value that is a Unix time",
  [{ kind: "value", format: "epoch" }],
  [
    ...unixTimes.map(({ value, fate }) => ({ made: set(value), fate })),
    ...noTimes.map((value) => ({ made: set(value), fate: "unproved" })),
    { made: set("2020-01-01T00:00:00"), fate: "unproved" },
    { made: hash(0), fate: "unproved" },
    { made: "redis.call('SET', 'k', string.rep('1', 300000)) ", fate: "unproved" },
  ],
);

ladderTest(
  "a value that is an ISO 8601 time",
  [{ kind: "value", format: "iso" }],
  [
    { made: set("2096-03-01T11:00:00.001Z"), fate: "young" },
    { made: set("2096-03-01T11:00:00"), fate: "removed" },
    { made: set("2096-03-01T13:00:00+02:00"), fate: "removed" },
    { made: set(SECONDS - 7_200), fate: "unproved" },
    { made: set('"2020-01-01T00:00:00"'), fate: "unproved" },
  ],
);

ladderTest(
  "the second part of the key",
  [{ kind: "keyPart", index: 2 }],
  [
    ...unixTimes.map(({ value, fate }) => ({ made: named(`log:${value}:x`), fate })),
    { made: named(`log:${SECONDS - 7_200}`), fate: "removed" },
    { made: named("log:2096-02-29:x"), fate: "removed" },
    { made: named("log:20960229"), fate: "removed" },
    { made: named("log:2096-03-01"), fate: "young" }, // it is not over yet
    { made: named("log:2095-02-29"), fate: "unproved" },
    { made: named("log:2096-13-01"), fate: "unproved" },
    { made: named("log:20960229x"), fate: "unproved" },
    { made: named(`log:x:${SECONDS - 7_200}`), fate: "unproved" },
    { made: named("log"), fate: "unproved" },
    { made: named("log:"), fate: "unproved" },
    { made: named("log:5"), fate: "unproved" },
  ],
);

ladderTest(
  "a day in the key",
  [{ kind: "keyPart", index: 1 }],
  [
    { made: named("2096-02-29"), fate: "removed" }, // it ended 12 hours ago
    { made: named("2096-02-30"), fate: "unproved" },
  ],
);

ladderTest(
  "a field of a hash",
  [{ kind: "field", name: "at" }],
  [
    ...unixTimes.map(({ value, fate }) => ({ made: hash(value), fate })),
    { made: hash("2096-03-01T11:00:00"), fate: "removed" },
    { made: hash("2096-03-01T11:00:01"), fate: "young" },
    { made: hash("yesterday"), fate: "unproved" },
    { made: "redis.call('HSET', 'k', 'other', '1577836800') ", fate: "unproved" },
    { made: "redis.call('HSET', 'k', 'at', string.rep('1', 300000)) ", fate: "unproved" },
    { made: set("1577836800"), fate: "unproved" },
  ],
);

ladderTest(
  "the newest score of a sorted set",
  [{ kind: "score" }],
  [
    ...unixTimes.map(({ value, fate }) => ({ made: scores(SECONDS - 90_000, value), fate })),
    { made: scores(SECONDS - 7_200, SECONDS - 60), fate: "young" },
    { made: scores(1, 2), fate: "unproved" },
    { made: "redis.call('ZADD', 'k', '-inf', 'a') ", fate: "unproved" },
    { made: "redis.call('ZADD', 'k', '+inf', 'a') ", fate: "unproved" },
    { made: set("x"), fate: "unproved" },
  ],
);

ladderTest(
  "the last id of a stream, in a rule for streams",
  [{ kind: "lastId" }],
  [
    { made: entry(`${NOW - HOUR + 1}-0`), fate: "young" },
    { made: entry(`${NOW - HOUR}-0`), fate: "removed" },
    { made: entry(`${NOW - 2 * HOUR}-0`) + entry(`${NOW - 60_000}-3`), fate: "young" },
    { made: entry("1-1"), fate: "unproved" },
    { made: `${entry(`${NOW - 2 * HOUR}-0`)}redis.call('XTRIM', 'k', 'MAXLEN', 0) `, fate: "removed" },
  ],
  "stream",
);

describe("a rule for one type", () => {
  const age: AgeRung[] = [{ kind: "ttl", initialMs: DAY }];
  const old = "redis.call('PEXPIRE', 'k', 3600000) ";

  test.each([
    { type: "list", made: "redis.call('RPUSH', 'k', 'a') ", fate: "removed" },
    { type: "stream", made: entry("1-1"), fate: "removed" },
    { type: "set", made: "redis.call('SADD', 'k', 'a') ", fate: "removed" },
    { type: "string", made: "redis.call('RPUSH', 'k', 'a') ", fate: "nothing" },
    { type: "hash", made: set("x"), fate: "nothing" },
  ] as const)("$type meets $made: $fate", async ({ type, made, fate }) => {
    expect(await fateOf(redis.client(), { made: made + old, age, olderThanMs: HOUR, type })).toBe(fate);
  });
});

describe("Celery's results", () => {
  const age: AgeRung[] = [
    { kind: "json", path: ["date_done"] },
    { kind: "ttl", initialMs: DAY },
  ];
  const result = (state: string, more = "") =>
    `{"status":"${state}","date_done":"2096-02-01T00:00:00"${more}}`;
  const task = (id: string, value: string) => `redis.call('SET', 'celery-task-meta-${id}', '${value}') `;
  const fate = (made: string) => fateOf(redis.client(), { made, age, olderThanMs: HOUR, isCelery: true });

  test.each(["SUCCESS", "FAILURE", "REVOKED"])("of state %s are final", async (state) => {
    expect(await fate(task("1", result(state)))).toBe("removed");
  });

  test.each(["PENDING", "STARTED", "RETRY", "PROGRESS", ""])("of state %j are not", async (state) => {
    expect(await fate(task("1", result(state)))).toBe("unready");
  });

  test.each([
    "celery-taskset-meta-g",
    "celery-taskset-meta-g.j",
    "celery-taskset-meta-g.t",
    "chord-unlock-g",
  ])("of a group are kept while there is %s", async (key) => {
    const client = redis.client();
    await client.set("celery-task-meta-1", result("SUCCESS", ',"group_id":"g"'));
    await client.zadd(key, 1, "x");
    const intent = { made: "", age, olderThanMs: HOUR, isCelery: true };
    await fateOf(client, intent);
    expect(await client.exists("celery-task-meta-1")).toBe(1);
    await client.del(key);
    await fateOf(client, intent);
    expect(await client.exists("celery-task-meta-1")).toBe(0);
  });

  test("under a prefix of the application's know their group too", async () => {
    const client = redis.client();
    await client.set("my_celery-task-meta-1", result("SUCCESS", ',"group_id":"g"'));
    await client.set("my_celery-taskset-meta-g.t", "1");
    await fateOf(client, { made: "", age, olderThanMs: HOUR, isCelery: true });
    expect(await client.exists("my_celery-task-meta-1")).toBe(1);
  });

  test.each([
    { parts: ["SUCCESS", "FAILURE"], left: 0 },
    { parts: ["SUCCESS", "STARTED"], left: 1 },
    { parts: ["SUCCESS", undefined], left: 1 },
  ])("of a saved group with parts $parts: $left left", async ({ parts, left }) => {
    const client = redis.client();
    const tuple = parts.map((_, index) => [[`p${index}`, null], null]);
    const saved = JSON.stringify({ result: [["g", null], tuple] });
    await client.set("celery-taskset-meta-g", saved, "PX", 3_600_000);
    for (const [index, state] of parts.entries()) {
      if (state === undefined) continue;
      await client.set(`celery-task-meta-p${index}`, result(state).replace("2096-02", "2096-04")); // young themselves
    }
    await fateOf(client, { made: "", age, olderThanMs: HOUR, isCelery: true });
    expect(await client.exists("celery-taskset-meta-g")).toBe(left);
  });

  test("of a chord that waits are kept, however old", async () => {
    const client = redis.client();
    for (const key of ["celery-taskset-meta-g.j", "celery-taskset-meta-g.t", "celery-taskset-meta-g.s"])
      await client.set(key, "1", "PX", 1_000_000);
    await client.set("chord-unlock-g", "1", "PX", 1_000_000);
    await fateOf(client, { made: "", age, olderThanMs: HOUR, isCelery: true });
    expect(await client.dbsize()).toBe(4);
  });
});
