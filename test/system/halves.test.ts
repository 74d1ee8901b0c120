import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { PruneRule } from "../../src/config/config.ts";
import { PRUNE_PAGE } from "../../src/system/prune-script.ts";
import { DAY, HOUR, MINUTE } from "../support/hands.ts";
import { fill, keyspace, prune, ruleFor } from "../support/keyspace.ts";
import { useClient, useRedis } from "../support/redis.ts";

/*
 * A server of 50,000 keys or more is scanned in two halves, over two connections: each key by one of them, and both at
 * once only while nobody else asks the server for anything.
 */

async function setUp() {
  const server = await useRedis();
  const client = useClient(server.url);
  const rule = (changes: Partial<PruneRule> = {}) => ruleFor(server.url, "tg:*", changes);
  const others = (from: number, to: number) =>
    client.eval("for i = ARGV[1], ARGV[2] do redis.call('SET', 'other:' .. i, 1) end", 0, from, to);
  return { server, client, rule, others };
}

/** What a half has of the keys of a server, by itself, in calls so short that the steps of the scan decide where each ends. */
async function countHalf(client: ReturnType<typeof useClient>, part: "even" | "odd"): Promise<number> {
  const rule = JSON.stringify({
    ...{ mode: "plan", keys: "tg:*", olderThanMs: MINUTE, age: [{ kind: "ttl", initialMs: DAY }] },
    ...{ withoutTtl: "keep", part, removedBefore: 0, budgetMicros: 1, longestMicros: 8_000, maxScans: 50 },
    protected: { prefixes: [], suffixes: [], parts: [], exact: [] },
  });
  let [cursor, left, matched] = [part === "odd" ? "1" : "0", [] as string[], 0];
  do {
    const answer = await client.eval(PRUNE_PAGE, 0, cursor, rule, 1_000_000, "", ...left);
    const [next, counts, , rest] = answer as [string, number[], string[], string[]];
    [cursor, left] = [next, rest];
    matched += counts[0] ?? 0;
  } while (cursor !== "done" || left.length > 0);
  return matched;
}

describe("the two halves", () => {
  test.each([1, 2, 3, 10, 100, 1_000, 3_000, 40_000])("of %i keys have each of them once", async (count) => {
    const { client } = await setUp();
    await fill(client, "tg:", count, HOUR);
    const [even, odd] = [await countHalf(client, "even"), await countHalf(client, "odd")];
    expect(even + odd).toBe(count);
    if (count >= 1_000) expect(Math.abs(even - odd)).toBeLessThan(count / 5);
  });

  test("of a table with next to nothing in it, too", async () => {
    const { client, others } = await setUp();
    await client.config("SET", "activerehashing", "no"); // what is removed leaves the table as large as it was
    await others(1, 50_000);
    await fill(client, "tg:", 20, HOUR);
    await client.eval("for i = 1, 50000 do redis.call('UNLINK', 'other:' .. i) end", 0);
    expect((await countHalf(client, "even")) + (await countHalf(client, "odd"))).toBe(20);
  });

  test.each(["plan", "apply"] as const)("together count each key once in a %s", async (mode) => {
    const { client, rule } = await setUp();
    await fill(client, "tg:old:", 60_000, HOUR);
    await fill(client, "tg:young:", 30_000, MINUTE);
    const sum = await prune(keyspace({ mode }), rule());
    expect(sum).toMatchObject({ matched: 90_000, removed: 60_000, kept: { young: 30_000 }, scanned: 90_000 });
    expect(await client.dbsize()).toBe(mode === "plan" ? 90_000 : 30_000);
  });

  test("miss no key while the table grows", async () => {
    const { client, rule, others } = await setUp();
    await fill(client, "tg:", 60_000, HOUR);
    let added = 0;
    const grow = async () => {
      if (added === 400_000) return;
      added += 20_000;
      await others(added - 19_999, added);
    };
    expect(await prune(keyspace(), rule(), grow)).toMatchObject({ removed: 60_000 });
    expect(added).toBeGreaterThan(200_000);
    expect(await client.dbsize()).toBe(added);
  });

  test("miss no key while the table shrinks", async () => {
    const { client, rule, others } = await setUp();
    await others(1, 500_000);
    await fill(client, "tg:", 60_000, HOUR);
    let gone = 0;
    const shrink = async () => {
      if (gone === 500_000) return;
      gone += 50_000;
      const program = "for i = ARGV[1], ARGV[2] do redis.call('UNLINK', 'other:' .. i) end";
      await client.eval(program, 0, gone - 49_999, gone);
    };
    expect(await prune(keyspace(), rule(), shrink)).toMatchObject({ removed: 60_000 });
    expect(await client.dbsize()).toBe(500_000 - gone);
    expect(gone).toBe(500_000);
  });
});

describe("two calls at once", () => {
  /**
   * How many of the calls were of less than the whole budget, with so many others who ask; the last ones may be. And
   * before how many everybody had been answered.
   */
  async function callsBeside(url: string, rule: PruneRule, others: number) {
    let isOver = false;
    const asking = Array.from({ length: others }, async () => {
      const other = useClient(url);
      while (!isOver) await other.get("other:1");
    });
    let [all, short] = [0, 0];
    await prune(keyspace(), rule, ({ heldMs }) => {
      all += 1;
      if (heldMs < 1.9) short += 1;
    });
    isOver = true;
    await Promise.all(asking);
    const stats = await useClient(url).info("commandstats");
    return { all, short, givenWay: Number(/^cmdstat_ping:calls=(\d+)/m.exec(stats)?.[1]) };
  }

  test("are made while nobody else asks, of half the length each", async () => {
    const { server, client, rule } = await setUp();
    await fill(client, "tg:", 500_000, HOUR);
    const { all, short, givenWay } = await callsBeside(server.url, rule(), 0);
    expect(short).toBeGreaterThan(50);
    expect(givenWay).toBeLessThan(all / 2);
  });

  test("are not made while somebody does, who is answered between two calls", async () => {
    const { server, client, rule } = await setUp();
    await fill(client, "tg:", 300_000, HOUR);
    const { all, short, givenWay } = await callsBeside(server.url, rule(), 8);
    expect(short).toBeLessThan(10);
    expect(givenWay).toBeGreaterThanOrEqual(all);
  });

  test("stop at a limit together", async () => {
    const { client, rule } = await setUp();
    await fill(client, "tg:", 300_000, HOUR);
    await expect(prune(keyspace({ limit: 250_001 }), rule())).rejects.toMatchObject({ code: "refused" });
    expect(await client.dbsize()).toBe(49_999);
  });

  test("are both told when the run is aborted", async () => {
    const { client, rule } = await setUp();
    await fill(client, "tg:", 300_000, HOUR);
    const stop = new AbortController();
    let [pages, removed] = [0, 0];
    const work = prune(keyspace({ signal: stop.signal }), rule(), (page) => {
      [pages, removed] = [pages + 1, removed + page.removed];
      if (removed > 200_000) stop.abort(new Error("enough"));
    });
    await expect(work).rejects.toThrow("enough");
    expect(await client.dbsize()).toBe(300_000 - removed);
  });

  test.each(["first", "second"])("end with the %s connection, as Redis that was lost", async (which) => {
    const { client, rule } = await setUp();
    await fill(client, "tg:", 300_000, HOUR);
    const mine = await client.client("ID");
    const work = prune(keyspace(), rule(), async () => {
      const list = String(await client.client("LIST"));
      const ids = [...list.matchAll(/^id=(\d+) /gm)].map(([, id]) => Number(id)).filter((id) => id !== mine);
      if (ids.length === 2)
        await client.client("KILL", "ID", ids.toSorted((a, b) => a - b)[which === "first" ? 0 : 1] ?? 0);
    });
    await expect(work).rejects.toMatchObject({
      code: "redis-unreachable",
      message: expect.stringMatching(/^Redis was lost/),
    });
  });

  test("are one where the address leads to another server the second time", async () => {
    const { server, client, rule } = await setUp();
    await fill(client, "tg:", 60_000, HOUR);
    const ports = [server.port, (await useRedis()).port];
    let connections = 0;
    const balancer = createServer((socket) => {
      const redis = connect(ports[connections++] ?? 0, "127.0.0.1");
      socket.on("error", () => {}).on("close", () => redis.destroy());
      redis.on("error", () => {}).on("close", () => socket.destroy());
      socket.pipe(redis).pipe(socket);
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void balancer.close());
    await once(balancer, "listening");
    const { port } = balancer.address() as AddressInfo;
    const sum = await prune(keyspace(), rule({ url: `redis://127.0.0.1:${port}/0` }));
    expect(sum).toMatchObject({ matched: 60_000, removed: 60_000 });
    expect(connections).toBe(2);
  });

  test("are one where the server takes no other connection", async () => {
    const { client, rule } = await setUp();
    await fill(client, "tg:", 60_000, HOUR);
    await client.config("SET", "maxclients", "2");
    expect(await prune(keyspace(), rule())).toMatchObject({ matched: 60_000, removed: 60_000 });
  });
});
