import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { waitUntil } from "./processes.ts";
import { type PrivateRedis, type PrivateRedisOptions, startPrivateRedis } from "./redis.ts";
import { freePort } from "./redis-server.ts";

/** A Redis Cluster on this machine: for what must visit every master, and survive a reshard and a failover. */
export interface PrivateCluster {
  /** `redis+cluster://127.0.0.1:…,127.0.0.1:…`. */
  readonly url: string;
  /** The masters it began with, each the owner of an equal part of the slots, in their order. */
  readonly masters: readonly PrivateRedis[];
  /** `replicas[i]` are the replicas that `masters[i]` began with. */
  readonly replicas: readonly (readonly PrivateRedis[])[];
  /** Moves slots with all their keys, as `redis-cli --cluster reshard` does: key by key, while others work. */
  moveSlots(from: PrivateRedis, to: PrivateRedis, slots: Iterable<number>): Promise<void>;
  /** Kills a master; resolves when one of its replicas is the master, and all nodes know. */
  failover(master: PrivateRedis): Promise<void>;
  /** Ends all of them. May be called twice. */
  stop(): Promise<void>;
}

export interface PrivateClusterOptions extends Pick<PrivateRedisOptions, "options" | "tls"> {
  /** Where the nodes keep their files; must exist. */
  readonly directory: string;
  /** Default: 3. */
  readonly masters?: number;
  /** Of each master. Default: 0. */
  readonly replicas?: number;
}

const SLOTS = 16_384;

/** Resolves when every node says that the Cluster is up and complete. */
export async function startPrivateCluster(settings: PrivateClusterOptions): Promise<PrivateCluster> {
  const { masters: amount = 3, replicas: perMaster = 0 } = settings;
  const nodes: Node[] = [];
  const stop = async () => {
    for (const { client } of nodes) client.disconnect();
    await Promise.all(nodes.map(({ server }) => server.stop()));
  };
  try {
    for (let index = 0; index < amount * (1 + perMaster); index += 1) {
      nodes.push(await startNode(join(settings.directory, `node-${index}`), settings));
    }
    await introduce(nodes, amount);
  } catch (error) {
    await stop();
    throw error;
  }
  const servers = nodes.map(({ server }) => server);
  const nodeOf = (server: PrivateRedis) => {
    const node = nodes.find((one) => one.server === server);
    if (node === undefined) throw new Error(`expected a node of this Cluster at port ${server.port}`);
    return node;
  };
  return {
    url: `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
    masters: servers.slice(0, amount),
    replicas: servers
      .slice(0, amount)
      .map((_, master) => servers.slice(amount).filter((_, index) => index % amount === master)),
    moveSlots: async (from, to, slots) => {
      for (const slot of slots) await moveSlot(nodes, nodeOf(from), nodeOf(to), slot);
    },
    failover: async (master) => {
      const { id } = nodeOf(master);
      await master.kill();
      const others = nodes.filter(({ server }) => server.pid() !== undefined);
      const isReplaced = async ({ client }: Node) => {
        const lines = String(await client.cluster("NODES")).split("\n");
        const old = lines.find((line) => line.startsWith(id)) ?? "";
        return /fail/.test(old) && !/\d+-\d+$/.test(old) && (await isUp(client));
      };
      await waitUntil(
        async () => (await Promise.all(others.map(isReplaced))).every(Boolean),
        "a replica to take over",
        20_000,
      );
    },
    stop,
  };
}

interface Node {
  readonly server: PrivateRedis;
  readonly client: Redis;
  readonly busPort: number;
  readonly id: string;
}

async function startNode(directory: string, { options, tls }: PrivateClusterOptions): Promise<Node> {
  await mkdir(directory);
  const busPort = await freePort();
  const server = await startPrivateRedis({
    directory,
    ...(tls && { tls }),
    options: {
      "cluster-enabled": "yes",
      "cluster-port": String(busPort),
      "cluster-node-timeout": "1000",
      "repl-diskless-sync-delay": "0",
      ...options,
    },
  });
  const client = new Redis({
    port: server.port,
    ...(options?.requirepass && { password: options.requirepass }),
  });
  client.on("error", () => {}); // a node may be killed
  try {
    return { server, client, busPort, id: String(await client.cluster("MYID")) };
  } catch (error) {
    client.disconnect();
    await server.stop();
    throw error;
  }
}

/** Slots to the masters, everybody known to everybody, replicas to their masters. */
async function introduce(nodes: readonly Node[], masters: number): Promise<void> {
  const [first, ...others] = nodes;
  if (first === undefined) return;
  for (const [index, { client }] of nodes.slice(0, masters).entries()) {
    const start = Math.floor((SLOTS * index) / masters);
    const end = Math.floor((SLOTS * (index + 1)) / masters) - 1;
    await client.call("CLUSTER", "ADDSLOTSRANGE", start, end);
    await client.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
  }
  for (const { server, busPort } of others) {
    await first.client.call("CLUSTER", "MEET", "127.0.0.1", server.port, busPort);
  }
  const knowsAll = async ({ client }: Node) =>
    String(await client.cluster("NODES"))
      .trim()
      .split("\n").length === nodes.length;
  await untilAll(nodes, knowsAll, "the nodes to know each other");
  for (const [index, { client }] of nodes.slice(masters).entries()) {
    await client.cluster("REPLICATE", nodes[index % masters]?.id ?? "");
  }
  await untilAll(nodes, ({ client }) => isUp(client), "the Cluster to be up");
  const isInSync = async ({ client }: Node) =>
    /role:master|master_link_status:up/.test(await client.info("replication"));
  await untilAll(nodes, isInSync, "the replicas to be in sync");
}

async function isUp(client: Redis): Promise<boolean> {
  return /cluster_state:ok/.test(String(await client.cluster("INFO")));
}

function untilAll(
  nodes: readonly Node[],
  check: (node: Node) => Promise<boolean>,
  what: string,
): Promise<void> {
  return waitUntil(async () => (await Promise.all(nodes.map(check))).every(Boolean), what, 20_000);
}

async function moveSlot(nodes: readonly Node[], from: Node, to: Node, slot: number): Promise<void> {
  await to.client.call("CLUSTER", "SETSLOT", slot, "IMPORTING", from.id);
  await from.client.call("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id);
  for (;;) {
    const keys = (await from.client.call("CLUSTER", "GETKEYSINSLOT", slot, 100)) as string[];
    if (keys.length === 0) break;
    await from.client.call("MIGRATE", "127.0.0.1", to.server.port, "", 0, 5_000, "KEYS", ...keys);
  }
  for (const { client } of [to, from, ...nodes.filter((node) => node !== to && node !== from)]) {
    await client.call("CLUSTER", "SETSLOT", slot, "NODE", to.id).catch(() => undefined); // replicas refuse
  }
}
