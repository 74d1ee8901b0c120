import { Cluster, Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import type { PrivateCluster } from "../../demo/redis-cluster.ts";
import { DAY, HOUR, MINUTE } from "../support/hands.ts";
import { keyspace, prune, ruleFor } from "../support/keyspace.ts";
import { useClient, useCluster, useSentinel } from "../support/redis.ts";

/* Pruning while keys change servers and replicas become masters: none missed, none counted twice. */

const OLD = 12_000;
const YOUNG = 3_000;

function clientOf(cluster: PrivateCluster): Cluster {
  const client = new Cluster(cluster.masters.map(({ port }) => ({ host: "127.0.0.1", port })));
  client.on("error", () => {}); // a master may be killed
  onTestFinished(() => client.disconnect());
  return client;
}

async function fill(client: Redis | Cluster): Promise<void> {
  const set = (name: string, ageMs: number) => client.set(`tg:${name}`, "v", "PX", DAY - ageMs);
  const names = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, index) => `${prefix}:${index}`);
  await Promise.all([
    ...names("old", OLD).map((name) => set(name, HOUR)),
    ...names("young", YOUNG).map((name) => set(name, MINUTE)),
  ]);
}

async function left(cluster: PrivateCluster): Promise<number> {
  const sizes = await Promise.all(
    [...cluster.masters, ...cluster.replicas.flat()]
      .filter((server) => server.pid() !== undefined)
      .map(async ({ url }) => {
        const client = new Redis(url);
        const isMaster = /role:master/.test(await client.info("replication"));
        const size = isMaster ? await client.dbsize() : 0;
        client.disconnect();
        return size;
      }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Acts once, when some keys are removed and some are not; the pruning goes on meanwhile if it is not awaited. */
function once(act: () => Promise<void>): { onPage: () => Promise<void>; done: () => Promise<void> } {
  let doing: Promise<void> | undefined;
  return {
    onPage: async () => {
      doing ??= act();
    },
    done: async () => doing,
  };
}

/** So that it takes longer than what happens meanwhile takes to begin. */
const SLOWLY = { latencyBudgetMs: 0.2, maxKeysPerSecond: 2_500 };

const exact = { matched: OLD + YOUNG, removed: OLD, kept: { young: YOUNG } };

describe("a Cluster", { timeout: 60_000 }, () => {
  test("has every master pruned, and no replica written to", async () => {
    const cluster = await useCluster({ replicas: 1 });
    await fill(clientOf(cluster));
    const replicas = cluster.replicas.flat().map(({ url }) => useClient(url));
    for (const replica of replicas) await replica.config("RESETSTAT");

    expect(await prune(keyspace(), ruleFor(cluster.url, "tg:*"))).toMatchObject({
      ...exact,
      scanned: OLD + YOUNG,
    });

    expect(await left(cluster)).toBe(YOUNG);
    for (const replica of replicas) expect(await replica.info("commandstats")).not.toMatch(/cmdstat_eval/);
  });

  test("has a limit for all masters together, though they are pruned at once", async () => {
    const cluster = await useCluster();
    await fill(clientOf(cluster));
    const work = prune(keyspace({ limit: 20 }), ruleFor(cluster.url, "tg:*"));
    await expect(work).rejects.toThrow("limits.keys (20) is reached: 20 keys were removed");
    expect(await left(cluster)).toBe(OLD + YOUNG - 20);
  });

  test.each(["plan", "apply"] as const)("through a reshard, in a %s", async (mode) => {
    const cluster = await useCluster();
    const [first, second, third] = cluster.masters;
    if (!first || !second || !third) throw new Error("expected three masters");
    await fill(clientOf(cluster));
    const slots = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);
    const reshard = once(async () => {
      await cluster.moveSlots(first, second, slots(0, 400));
      await cluster.moveSlots(third, first, slots(16_000, 300));
      await cluster.moveSlots(second, third, slots(0, 50)); // on again
    });

    const sum = await prune(keyspace({ ...SLOWLY, mode }), ruleFor(cluster.url, "tg:*"), reshard.onPage);
    await reshard.done();

    expect(sum).toMatchObject(exact);
    expect(await left(cluster)).toBe(mode === "plan" ? OLD + YOUNG : YOUNG);
  });

  test("through a failover", async () => {
    const cluster = await useCluster({ replicas: 1 });
    const [first] = cluster.masters;
    if (!first) throw new Error("expected masters");
    const client = clientOf(cluster);
    await fill(client);
    for (const { url } of cluster.masters) {
      const master = useClient(url);
      master.on("error", () => {});
      await master.wait(1, 2_000);
    }
    const failover = once(() => cluster.failover(first));

    const sum = await prune(keyspace(SLOWLY), ruleFor(cluster.url, "tg:*"), failover.onPage);
    await failover.done();

    expect(await left(cluster)).toBe(YOUNG);
    expect(sum.kept).toEqual({ young: YOUNG });
    // what the master had removed and not told its replica yet came back, and went again; what it had told the replica
    // and not us is not counted: a page of a fifth of a millisecond
    expect(sum.removed).toBeGreaterThanOrEqual(OLD - 200);
    expect(sum.removed).toBeLessThan(OLD + 5_000);
  });
});

describe("watched by sentinels", { timeout: 60_000 }, () => {
  test("through a failover", async () => {
    const watched = await useSentinel();
    const client = useClient((await watched.currentMaster()).url);
    client.on("error", () => {});
    await fill(client);
    await client.wait(1, 2_000);
    const failover = once(async () => {
      await watched.failover();
    });

    const sum = await prune(keyspace(SLOWLY), ruleFor(watched.url, "tg:*"), failover.onPage);
    await failover.done();

    const master = useClient((await watched.currentMaster()).url);
    expect(await master.dbsize()).toBe(YOUNG);
    expect(sum.kept).toEqual({ young: YOUNG });
    expect(sum.removed).toBeGreaterThanOrEqual(OLD - 200); // see above
  });
});
