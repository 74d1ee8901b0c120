import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { PruneRule } from "../../src/config/config.ts";
import { stateOfServer } from "../../src/system/redis-server.ts";
import { DAY, HOUR, MINUTE } from "../support/hands.ts";
import { fill, keyspace, prune, ruleFor } from "../support/keyspace.ts";
import { sharedRedis, useClient, useCluster, useRedis } from "../support/redis.ts";

/* What has deceived programs that judge the age of keys. */

const redis = sharedRedis();
const rule = (keys: string, changes: Partial<PruneRule> = {}) => ruleFor(redis.server().url, keys, changes);
const idle = { age: [{ kind: "idle" }], olderThanMs: 0 } as const;

describe("idle times", () => {
  test("after a switch from LFU are what is left of counters: they prove nothing", async () => {
    const server = await useRedis({ options: { "maxmemory-policy": "allkeys-lfu" } });
    const client = useClient(server.url);
    await client.set("tg:1", "v");
    const dump = (await client.dumpBuffer("tg:1")) ?? "";
    await client.config("SET", "maxmemory-policy", "noeviction");
    const uptime = async () => Number(/uptime_in_seconds:(\d+)/.exec(await client.info())?.[1]);
    await expect.poll(uptime, { timeout: 5_000 }).toBeGreaterThan(1);
    await client.restore("tg:1", 0, dump, "REPLACE", "IDLETIME", 1); // as such a rest may look: not even too long
    expect(await prune(keyspace(), ruleFor(server.url, "tg:*", idle))).toMatchObject({
      removed: 0,
      kept: { unproved: 1 },
    });
  });

  test.each([
    { what: "a switch from LFU", commands: ["SET maxmemory-policy noeviction"] },
    { what: "one that RESETSTAT made forgotten", commands: ["SET maxmemory-policy noeviction", "RESETSTAT"] },
    { what: "RESETSTAT twice", commands: ["SET maxmemory-policy noeviction", "RESETSTAT", "RESETSTAT"] },
    { what: "RESETSTAT alone, which tells nothing of before", commands: ["RESETSTAT"] },
  ])("are not believed after $what", async ({ commands }) => {
    const isSwitched = commands.length > 1;
    const policy = isSwitched ? "allkeys-lfu" : "noeviction";
    const server = await useRedis({ options: { "maxmemory-policy": policy } });
    const client = useClient(server.url);
    await client.set("tg:1", "v");
    const dump = (await client.dumpBuffer("tg:1")) ?? "";
    expect(await stateOfServer(client)).toMatchObject({ hasTrueIdleTimes: !isSwitched });
    for (const words of commands) await client.call("CONFIG", ...words.split(" "));
    expect(await stateOfServer(client)).toMatchObject({
      hasTrueIdleTimes: false,
      maxMemoryPolicy: "noeviction",
    });
    await client.restore("tg:1", 0, dump, "REPLACE", "IDLETIME", 0); // not too long for any server
    expect(await prune(keyspace(), ruleFor(server.url, "tg:*", idle))).toMatchObject({
      removed: 0,
      kept: { unproved: 1 },
    });
  });

  test("stay believed when CONFIG was only read, or written to its file", async () => {
    const { url } = await useRedis();
    const client = useClient(url);
    await client.config("GET", "maxmemory-policy");
    await client.config("REWRITE").catch(() => undefined); // without a file there is nothing to write to
    await client.set("tg:1", "v");
    const isOfSeven = /^redis_version:[7-9]/m.test(await client.info("server"));
    expect(await stateOfServer(client)).toMatchObject({ hasTrueIdleTimes: isOfSeven });
  });

  test("begin anew at a restart: a key is not older than the server is up", async () => {
    const server = await useRedis({ options: { appendonly: "yes", appendfsync: "always" } });
    await useClient(server.url).set("tg:1", "v");
    await server.kill();
    await server.start();
    expect(
      await prune(keyspace(), ruleFor(server.url, "tg:*", { ...idle, olderThanMs: HOUR })),
    ).toMatchObject({ removed: 0, kept: { used: 1 } });
  });

  test("of small integers are those of all of them", async () => {
    await redis.client().set("tg:1", "7");
    expect(await prune(keyspace(), rule("tg:*", idle))).toMatchObject({ kept: { unproved: 1 } });
  });
});

test.each([-DAY, DAY])(
  "a clock of ours that is %i ms off changes nothing: the server's counts",
  async (offMs) => {
    const client = redis.client();
    await fill(client, "tg:old:", 3, HOUR);
    await fill(client, "tg:young:", 2, MINUTE);
    const done = (ageMs: number) => JSON.stringify({ at: new Date(Date.now() - ageMs).toISOString() });
    await client.mset("json:old", done(HOUR), "json:young", done(MINUTE));
    vi.useFakeTimers({ now: Date.now() + offMs, toFake: ["Date"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    expect(await prune(keyspace(), rule("tg:*"))).toMatchObject({ removed: 3, kept: { young: 2 } });
    const json = rule("json:*", { age: [{ kind: "json", path: ["at"] }] });
    expect(await prune(keyspace(), json)).toMatchObject({ removed: 1, kept: { young: 1 } });
  },
);

describe("during the scan", () => {
  const KEYS = 20_000;

  test("what has its TTL refreshed is kept", async () => {
    const client = redis.client();
    await fill(client, "tg:", KEYS, HOUR);
    const refresh = "for _, k in ipairs(redis.call('KEYS', 'tg:*')) do redis.call('PEXPIRE', k, ARGV[1]) end";
    let left: number | undefined;
    const sum = await prune(keyspace(), rule("tg:*"), async () => {
      if (left !== undefined) return;
      await client.eval(refresh, 0, DAY);
      left = await client.dbsize();
    });
    expect(left).toBeGreaterThan(0);
    expect(await client.dbsize()).toBe(left);
    expect(sum).toMatchObject({ removed: KEYS - (left ?? 0) });
  });

  test("what becomes a key of another type is judged as that", async () => {
    const client = redis.client();
    const make = `for i = 1, ${KEYS} do redis.call('SET', 'tg:' .. i, '{"at":"2020-01-01T00:00:00"}') end`;
    await client.eval(make, 0);
    const change = `for i, k in ipairs(redis.call('KEYS', 'tg:*')) do
      redis.call('DEL', k) redis.call(i % 2 == 0 and 'RPUSH' or 'SADD', k, 'x') end`;
    let left: number | undefined;
    const json = rule("tg:*", { age: [{ kind: "json", path: ["at"] }] });
    const sum = await prune(keyspace(), json, async () => {
      if (left !== undefined) return;
      await client.eval(change, 0);
      left = await client.dbsize();
    });
    expect(left).toBeGreaterThan(0);
    expect(await client.dbsize()).toBe(left);
    expect(sum.removed).toBe(KEYS - (left ?? 0));
    expect(Number(sum.kept.queue) + Number(sum.kept.unproved)).toBe(left);
  });
});

test.each(["celery-*", "my_celery-*", "c?lery-[s-u]ask-meta-*", "celery-task-meta-*", "[bc]*-task-meta-*"])(
  "what Celery still needs is known behind whatever glob leads to it: %s",
  async (glob) => {
    const client = redis.client();
    const prefix = glob.startsWith("my_") ? "my_" : "";
    const old = DAY - HOUR;
    await client.set(`${prefix}celery-task-meta-1`, '{"status":"STARTED"}', "PX", old);
    await client.set(`${prefix}celery-task-meta-2`, '{"status":"SUCCESS"}', "PX", old);
    await client.set(`${prefix}celery-other`, "no result", "PX", old);
    await client.persist(`${prefix}celery-other`);
    expect(await prune(keyspace(), rule(glob))).toMatchObject({ removed: 1, kept: { unready: 1 } });
    expect(await client.exists(`${prefix}celery-task-meta-1`)).toBe(1);
  },
);

describe("each script call is bounded by time", () => {
  test("from the first on, also where a single key takes long to judge", async () => {
    const client = redis.client();
    // about 10 ms of decoding each, all of them in the first page of a scan
    const make = `local big = '{"list":[' .. string.rep('[1,2,3],', 30000) .. '0],"at":"2020-01-01T00:00:00"}'
      for i = 1, 90 do redis.call('SET', 'tg:' .. i, big) end`;
    await client.eval(make, 0);
    const sum = await prune(keyspace(), rule("tg:*", { age: [{ kind: "json", path: ["at"] }] }));
    expect(sum).toMatchObject({ removed: 90 });
    expect(sum.pages).toBeGreaterThanOrEqual(30); // not 90 keys in one call
    expect(await client.dbsize()).toBe(0);
  });

  test("also where the state of a large result of Celery is all that is read", async () => {
    const client = redis.client();
    // about 5 ms of decoding each, though their age is told by the TTL
    const make = `local big = '{"status":"SUCCESS","result":[' .. string.rep('[1,2,3],', 30000) .. '0]}'
      for i = 1, 90 do redis.call('SET', 'celery-task-meta-' .. i, big, 'PX', ARGV[1]) end`;
    await client.eval(make, 0, DAY - HOUR);
    const sum = await prune(keyspace(), rule("celery-task-meta-*"));
    expect(sum).toMatchObject({ removed: 90 });
    expect(sum.pages).toBeGreaterThanOrEqual(30); // not 25 keys in one call
  });

  test.each(["plan", "apply"] as const)(
    "also by a saved group of many large results, in a %s",
    async (mode) => {
      const BUDGET_MS = 10;
      const client = redis.client();
      // a quarter of a second for the parts of the large one, and less than a millisecond for those of the small one
      const make = `local result = '{"status":"SUCCESS","result":[' .. string.rep('[1,2,3],', 2500) .. '0]}'
      local function group(name, count)
        local parts = {}
        for i = 1, count do
          parts[i] = '[["' .. name .. i .. '",null],null]'
          redis.call('SET', 'celery-task-meta-' .. name .. i, result)
        end
        local saved = '{"result":[["' .. name .. '",null],[' .. table.concat(parts, ',') .. ']]}'
        redis.call('SET', 'celery-taskset-meta-' .. name, saved, 'PX', ARGV[1])
      end
      group('large', 1500)
      group('small', 3)`;
      await client.eval(make, 0, DAY - HOUR);
      const sum = await prune(keyspace({ mode, latencyBudgetMs: BUDGET_MS }), rule("celery-taskset-meta-*"));
      expect(sum).toMatchObject({ matched: 2, removed: 1, kept: { large: 1 } });
      expect(sum.worstMs).toBeLessThan(8 * BUDGET_MS);
      expect(await client.exists("celery-taskset-meta-large")).toBe(1);
    },
  );

  test("and what it did not come to is looked at in the next, whatever its name", async () => {
    const client = redis.client();
    const make = `for i = 1, 5000 do redis.call('SET', 'tg:' .. string.char(255, 0, 10) .. i, 'v', 'PX', ARGV[1]) end`;
    await client.eval(make, 0, DAY - HOUR);
    const sum = await prune(keyspace({ latencyBudgetMs: 0.01 }), rule("tg:*"));
    expect(sum).toMatchObject({ removed: 5_000, matched: 5_000, scanned: 5_000 });
    expect(sum.pages).toBeGreaterThan(100);
    expect(await client.dbsize()).toBe(0);
  });
});

test("maxKeysPerSecond is kept to", async () => {
  await fill(redis.client(), "tg:", 3_000, HOUR);
  const startedAtMs = performance.now();
  await prune(keyspace({ maxKeysPerSecond: 5_000, latencyBudgetMs: 0.1 }), rule("tg:*"));
  expect(performance.now() - startedAtMs).toBeGreaterThan(450);
});

test("a node of a Cluster by itself is not taken for the whole", async () => {
  const { masters } = await useCluster();
  const one = ruleFor(masters[0]?.url ?? "", "tg:*");
  await expect(prune(keyspace(), one)).rejects.toThrow(/is a node of a Cluster: write redis\+cluster:\/\//);
});
