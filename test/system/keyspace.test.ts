import { join } from "node:path";
import type { Redis } from "ioredis";
import { beforeAll, describe, expect, test } from "vitest";
import type { PruneRule } from "../../src/config/config.ts";
import { SafeShutdownError } from "../../src/errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../support/hands.ts";
import { fill, keyspace, prune, quotaOf, ruleFor } from "../support/keyspace.ts";
import { waitUntil } from "../support/processes.ts";
import { sharedRedis, useClient, useRedis } from "../support/redis.ts";
import { temporaryDirectory } from "../support/temp.ts";

const redis = sharedRedis();
const rule = (keys: string, changes: Partial<PruneRule> = {}) => ruleFor(redis.server().url, keys, changes);

async function codeOf(work: Promise<unknown>): Promise<[string, string]> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof SafeShutdownError))
    expect.fail(`expected a SafeShutdownError, got ${String(error)}`);
  return [error.code, error.message];
}

describe("pruning", () => {
  test("removes what is old and matches, and nothing else", async () => {
    const client = redis.client();
    await fill(client, "tg:old:", 5, HOUR);
    await fill(client, "tg:young:", 3, MINUTE);
    await fill(client, "other:old:", 2, HOUR);

    const sum = await prune(keyspace(), rule("tg:*"));

    expect(sum).toMatchObject({ matched: 8, removed: 5, givenTtl: 0, kept: { young: 3 } });
    expect(sum.bytes).toBeGreaterThan(5 * 20);
    expect((await client.keys("*")).sort()).toEqual([
      ...["other:old:1", "other:old:2", "tg:young:1", "tg:young:2", "tg:young:3"],
    ]);
  });

  test("is done when it is done twice", async () => {
    await fill(redis.client(), "tg:", 5, HOUR);
    await prune(keyspace(), rule("tg:*"));
    expect(await prune(keyspace(), rule("tg:*"))).toMatchObject({ matched: 0, removed: 0 });
  });

  test.each([
    { name: "with glob characters", key: "tg:[a]*?\\", keys: "tg:*" },
    { name: "with a line break", key: "tg:a\nb", keys: "tg:*" },
    { name: "that is long", key: `tg:${"x".repeat(5_000)}`, keys: "tg:*" },
    {
      name: "in bytes that are no text",
      key: Buffer.from([0x74, 0x67, 0x3a, 0xff, 0x00, 0xfe]),
      keys: "tg:*",
    },
    { name: "that is matched by escaped glob characters", key: "tg:[a]", keys: "tg:\\[a\\]" },
  ])("removes exactly the key whose name is $name", async ({ key, keys }) => {
    const client = redis.client();
    await client.set(key, "v", "PX", DAY - HOUR);
    await client.set("tg", "neighbour", "PX", DAY - HOUR);
    await client.set("a", "neighbour", "PX", DAY - HOUR);
    expect(await prune(keyspace(), rule(keys))).toMatchObject({ removed: 1 });
    expect((await client.keys("*")).sort()).toEqual(["a", "tg"]);
  });

  test.each([
    "_kombu.binding.celery",
    "unacked",
    "unacked_index",
    "unacked_mutex",
    "celery",
    "mail",
    "celery\x06\x163",
    "mail\x06\x169",
    "celery@host.celery.pidbox",
    "0f2c8a1e.reply.celery.pidbox",
    "bull:queue:id",
    "{safe-shutdown-scraper}:runs:meta",
  ])("keeps the broker's %j though the rule matches it", async (key) => {
    const client = redis.client();
    await client.set(key, "v", "PX", DAY - HOUR);
    expect(await prune(keyspace(), rule("*"))).toMatchObject({ removed: 0, kept: { protected: 1 } });
    expect(await client.exists(key)).toBe(1);
  });

  test("gives a TTL to what has none and no provable age, and leaves it alone in the next run", async () => {
    const client = redis.client();
    await client.set("tg:1", "v");
    const expire = rule("tg:*", { withoutTtl: "expire" });

    expect(await prune(keyspace(), expire)).toMatchObject({ removed: 0, givenTtl: 1 });
    const ttlMs = await client.pttl("tg:1");
    expect(ttlMs).toBeGreaterThan(8 * MINUTE - 2 * SECOND);
    expect(ttlMs).toBeLessThanOrEqual(8 * MINUTE + SECOND);

    expect(await prune(keyspace(), expire)).toMatchObject({ removed: 0, givenTtl: 0, kept: { given: 1 } });
    expect(await client.exists("tg:1")).toBe(1);
  });

  test("leaves what it gave a TTL alone where it cannot ask for an expiry, as before Redis 7.0", async () => {
    const client = redis.client();
    await client.call("ACL", "SETUSER", "old", "on", ">secret", "~*", "+@all", "-pexpiretime");
    const url = redis.server().url.replace("redis://", "redis://old:secret@");
    const keys = Array.from({ length: 3_000 }, (_, n) => [`tg:${n}`, "v"]);
    await client.mset(...keys.flat());
    const age = [{ kind: "ttl", initialMs: DAY }] as const;
    const expire = ruleFor(url, "tg:*", { withoutTtl: "expire", age });
    expect(await prune(keyspace(), expire)).toMatchObject({ removed: 0, givenTtl: 3_000 });
    expect(await prune(keyspace(), expire)).toMatchObject({ removed: 0, kept: { given: 3_000 } });
  });

  test("works on the database of the rule", async () => {
    const client = useClient(redis.server().url);
    for (const db of [0, 3]) {
      await client.select(db);
      await fill(client, "tg:", 2, HOUR);
    }
    expect(await prune(keyspace(), rule("tg:*", { db: 3 }))).toMatchObject({ removed: 2 });
    expect(await client.dbsize()).toBe(0);
    await client.select(0);
    expect(await client.dbsize()).toBe(2);
  });

  test("under an LFU policy trusts no idle time", async () => {
    const server = await useRedis({ options: { "maxmemory-policy": "allkeys-lfu" } });
    await useClient(server.url).set("tg:1", "v");
    const idle = rule("tg:*", { url: server.url, age: [{ kind: "idle" }], olderThanMs: 0 });
    expect(await prune(keyspace(), idle)).toMatchObject({ removed: 0, kept: { unproved: 1 } });
  });

  test("trusts no idle time that is longer than the server is up", async () => {
    const client = redis.client();
    await client.set("tg:1", "v");
    const dump = await client.dumpBuffer("tg:1");
    await client.restore("tg:1", 0, dump ?? "", "REPLACE", "IDLETIME", 100_000);
    const idle = rule("tg:*", { age: [{ kind: "idle" }] });
    expect(await prune(keyspace(), idle)).toMatchObject({ removed: 0, kept: { unproved: 1 } });
  });
});

describe("a plan", () => {
  beforeAll(async () => {
    const uptime = async () => Number(/uptime_in_seconds:(\d+)/.exec(await redis.client().info())?.[1]);
    await waitUntil(async () => (await uptime()) >= 3, "the server to be up for 3 s");
  });

  test("counts exactly what apply then does, and changes no TTL and no idle time", async () => {
    const client = redis.client();
    await fill(client, "tg:old:", 700, HOUR);
    await fill(client, "tg:young:", 300, MINUTE);
    const program = `for i = 1, 50 do redis.call('SET', 'tg:idle:' .. i, i > 20 and i or 'value') end`;
    await client.eval(program, 0);
    const dump = (await client.dumpBuffer("tg:idle:1")) ?? "";
    for (let i = 1; i <= 20; i += 1) {
      await client.restore(`tg:idle:${i}`, 0, dump, "REPLACE", "IDLETIME", 2);
    }
    await client.rpush("tg:queue", "task");
    const ladder = rule("tg:*", {
      age: [{ kind: "ttl", initialMs: DAY }, { kind: "idle" }],
      olderThanMs: 2 * SECOND,
      withoutTtl: "expire",
    });
    const old = { ...ladder, keys: "tg:old:*" };
    const before = await facts(client);

    const planned = await prune(keyspace({ mode: "plan" }), ladder);

    const after = await facts(client);
    expect(after.expiries).toEqual(before.expiries);
    const reset = [...after.lastUsed].filter(
      ([key, at]) => Math.abs(at - Number(before.lastUsed.get(key))) > 1,
    );
    expect(reset).toEqual([]); // both clocks count whole seconds; those idle for 2 s would move by 2
    expect(await prune(keyspace({ mode: "plan" }), old)).toMatchObject({ removed: 700 });
    const done = await prune(keyspace(), ladder);
    const { pages: _pages, worstMs: _worstMs, ...counts } = planned;
    expect(done).toMatchObject({ ...counts, bytes: expect.any(Number) });
    expect(planned).toMatchObject({ removed: 1_020, givenTtl: 30, kept: { queue: 1 } });
    expect(await client.dbsize()).toBe(31);
  });

  /** Of every key: when it expires, and the second in which it was last used, give or take one. */
  async function facts(client: Redis) {
    const expiries = new Map<string, number>();
    const lastUsed = new Map<string, number>();
    for (const key of (await client.keys("*")).sort()) {
      expiries.set(key, await client.pexpiretime(key));
      const idle = Number(await client.object("IDLETIME", key));
      lastUsed.set(key, Math.round(Date.now() / 1_000) - idle);
    }
    return { expiries, lastUsed };
  }
});

describe("50,000 keys", () => {
  test("go page by page, and other clients are answered in between", async () => {
    const client = redis.client();
    await fill(client, "tg:", 50_000, HOUR);
    const other = useClient(redis.server().url);
    const answersMs: number[] = [];
    let isPruning = true;
    const asking = (async () => {
      while (isPruning) {
        const askedAtMs = performance.now();
        await other.ping();
        answersMs.push(performance.now() - askedAtMs);
      }
    })();

    const sum = await prune(keyspace(), rule("tg:*"));
    isPruning = false;
    await asking;

    expect(sum).toMatchObject({ matched: 50_000, removed: 50_000 });
    expect(sum.pages).toBeGreaterThan(10);
    expect(answersMs.length).toBeGreaterThan(10);
    expect(answersMs.sort((a, b) => a - b)[Math.floor(answersMs.length / 2)]).toBeLessThan(50);
    expect(await client.dbsize()).toBe(0);
  });

  test("are left when the run is aborted after a page", async () => {
    const client = redis.client();
    await fill(client, "tg:", 50_000, HOUR);
    const stop = new AbortController();
    const hands = keyspace({ signal: stop.signal });
    let removed = 0;
    const work = async () => {
      for await (const page of hands.prune(rule("tg:*"))) {
        removed += page.removed;
        stop.abort(new Error("enough"));
      }
    };
    await expect(work()).rejects.toThrow("enough");
    expect(removed).toBeGreaterThan(0);
    expect(await client.dbsize()).toBe(50_000 - removed);
  });
});

describe("a limit", () => {
  test.each([
    { limit: 4, left: 1, refused: true },
    { limit: 5, left: 0, refused: false },
    { limit: 6, left: 0, refused: false },
  ])("of $limit on 5 keys leaves $left", async ({ limit, left, refused }) => {
    await fill(redis.client(), "tg:", 5, HOUR);
    const work = prune(keyspace({ limit }), rule("tg:*"));
    if (refused) {
      expect(await codeOf(work)).toEqual(["refused", expect.stringMatching(/^limits\.keys .*is reached/)]);
    } else expect(await work).toMatchObject({ removed: 5 });
    expect(await redis.client().dbsize()).toBe(left);
  });

  const SIZE = 1_000;
  test.each([
    { what: "just below", bytes: -1, left: 1, refused: true },
    { what: "exactly", bytes: 0, left: 0, refused: false },
    { what: "just above", bytes: 1, left: 0, refused: false },
  ])("on bytes, $what what 3 keys take, leaves $left", async ({ bytes, left, refused }) => {
    const client = redis.client();
    for (const name of ["a", "b", "c"]) await client.set(`tg:${name}`, "x".repeat(SIZE), "PX", DAY - HOUR);
    const taken = 3 * Number(await client.memory("USAGE", "tg:a"));
    const work = prune(keyspace({ quota: quotaOf({}, taken + bytes) }), rule("tg:*"));
    if (refused) expect(await codeOf(work)).toEqual(["refused", expect.stringMatching(/^limits\.bytes /)]);
    else expect(await work).toMatchObject({ removed: 3, bytes: taken });
    expect(await client.dbsize()).toBe(left);
  });

  test("counts over all rules", async () => {
    await fill(redis.client(), "a:", 3, HOUR);
    await fill(redis.client(), "b:", 3, HOUR);
    const hands = keyspace({ limit: 4 });
    await prune(hands, rule("a:*"));
    expect((await codeOf(prune(hands, rule("b:*"))))[0]).toBe("refused");
    expect(await redis.client().dbsize()).toBe(2);
  });
});

describe("Redis that cannot be reached", () => {
  test("from the start", async () => {
    const url = "redis://127.0.0.1:1/0";
    const startedAtMs = performance.now();
    expect(await codeOf(prune(keyspace(), rule("*", { url })))).toEqual([
      "redis-unreachable",
      "Redis at 127.0.0.1:1 cannot be reached: connect ECONNREFUSED 127.0.0.1:1",
    ]);
    expect(performance.now() - startedAtMs).toBeLessThan(2_000);
  });

  test("in the middle of a rule, and before the next one", async () => {
    const server = await useRedis();
    await fill(useClient(server.url), "tg:", 50_000, HOUR);
    const hands = keyspace();
    const one = rule("tg:*", { url: server.url });
    const work = async () => {
      for await (const _ of hands.prune(one)) await server.kill();
    };
    const [code, message] = await codeOf(work());
    expect(code).toBe("redis-unreachable");
    expect(message).toMatch(/^Redis was lost/);
    expect((await codeOf(prune(hands, one)))[0]).toBe("redis-unreachable");
    expect((await codeOf(hands.stateOf(server.url)))[0]).toBe("redis-unreachable");
  });

  test("for a wrong password, which no message holds", async () => {
    const server = await useRedis();
    const client = useClient(server.url);
    await client.config("SET", "requirepass", "right-secret");
    const withPassword = (password: string) => server.url.replace("//", `//:${password}@`);

    const [code, message] = await codeOf(keyspace().stateOf(withPassword("wrong-secret")));
    expect(code).toBe("redis-unreachable");
    expect(message).toContain("WRONGPASS");
    expect(message).not.toMatch(/secret/);

    const [, without] = await codeOf(keyspace().stateOf(server.url));
    expect(without).toContain("NOAUTH");
    expect(await keyspace().stateOf(withPassword("right-secret"))).toMatchObject({
      maxMemoryPolicy: "noeviction",
    });
  });
});

test("a server is reached by its socket", async () => {
  const server = await useRedis({ unixSocket: true });
  const client = useClient(server.socket ?? "");
  await client.select(2);
  await fill(client, "tg:", 3, HOUR);
  const url = `redis+unix://${server.socket}?db=2`;
  expect(await prune(keyspace(), rule("tg:*", { url, db: 2 }))).toMatchObject({ removed: 3 });

  const nobody = `redis+unix://${join(temporaryDirectory(), "none.sock")}`;
  const [code, message] = await codeOf(keyspace().stateOf(nobody));
  expect(code).toBe("redis-unreachable");
  expect(message).toContain("none.sock cannot be reached");
});

test("memory, policy, age and version of a server are told", async () => {
  const state = await keyspace().stateOf(redis.server().url);
  expect(state).toMatchObject({ maxMemoryPolicy: "noeviction", version: expect.stringMatching(/^\d+\.\d+/) });
  expect(state.usedMemoryBytes).toBeGreaterThan(100_000);
  expect(state.uptimeSeconds).toBeGreaterThanOrEqual(0);
});
