import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { ended, waitUntil } from "./processes.ts";
import { type PrivateRedis, startPrivateRedis } from "./redis.ts";
import { findServer, freePort } from "./redis-server.ts";

/** A master and a replica with sentinels that watch them: for what must survive a failover. */
export interface PrivateSentinel {
  /** `redis+sentinel://127.0.0.1:…,…/watched/0`. */
  readonly url: string;
  readonly master: string;
  readonly sentinelPorts: readonly number[];
  /** Both servers; which one is the master changes. */
  readonly servers: readonly PrivateRedis[];
  /** The server that the sentinels call the master. */
  currentMaster(): Promise<PrivateRedis>;
  /** Kills the master; resolves when the sentinels have made the other one the master. */
  failover(): Promise<PrivateRedis>;
  /** Ends all of them. May be called twice. */
  stop(): Promise<void>;
}

export interface PrivateSentinelOptions {
  /** Where they keep their files; must exist. */
  readonly directory: string;
  /** How many sentinels. Default: 3. */
  readonly sentinels?: number;
  /** What the sentinels, and the servers, ask their clients for. */
  readonly sentinelPassword?: string;
  readonly password?: string;
  /** Anything from redis.conf, for both servers. */
  readonly options?: Readonly<Record<string, string>>;
}

const MASTER = "watched";

/** Resolves when every sentinel knows the replica and the other sentinels, so that a failover is possible. */
export async function startPrivateSentinel(settings: PrivateSentinelOptions): Promise<PrivateSentinel> {
  const { directory, sentinels: amount = 3, password, sentinelPassword } = settings;
  const servers: PrivateRedis[] = [];
  const sentinels: { port: number; process: ChildProcess; client: Redis }[] = [];
  const stop = async () => {
    for (const { client } of sentinels) client.disconnect();
    for (const { process } of sentinels) process.kill("SIGKILL");
    await Promise.all([
      ...sentinels.map(({ process }) => ended(process)),
      ...servers.map((server) => server.stop()),
    ]);
  };
  const start = async (name: string, options: Readonly<Record<string, string>>) => {
    const own = join(directory, name);
    await mkdir(own);
    const secrets = password === undefined ? {} : { requirepass: password, masterauth: password };
    const server = await startPrivateRedis({
      directory: own,
      options: { "repl-diskless-sync-delay": "0", ...secrets, ...settings.options, ...options },
    });
    servers.push(server);
    return server;
  };
  try {
    const first = await start("first", {});
    await start("second", { replicaof: `127.0.0.1 ${first.port}` });
    for (let index = 0; index < amount; index += 1) {
      const port = await freePort();
      const file = join(directory, `sentinel-${index}.conf`);
      await writeFile(file, sentinelConfig(port, first.port, amount, settings));
      const process = spawn(findServer(), [file, "--sentinel"], { detached: true, stdio: "ignore" });
      const client = new Redis({
        port,
        retryStrategy: () => 50,
        ...(sentinelPassword !== undefined && { password: sentinelPassword }),
      });
      client.on("error", () => {}); // until it listens
      sentinels.push({ port, process, client });
    }
    await waitUntil(
      () => allKnown(sentinels.map(({ client }) => client)),
      "the sentinels to know all",
      20_000,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  const currentMaster = async () => {
    const answers = await Promise.all(sentinels.map(({ client }) => masterPort(client)));
    const ports = new Set(answers);
    const server = ports.size === 1 ? servers.find(({ port }) => ports.has(port)) : undefined;
    if (server === undefined) throw new Error(`the sentinels disagree: ${[...ports].join(", ")}`);
    return server;
  };
  return {
    url: `redis+sentinel://127.0.0.1:${sentinels.map(({ port }) => port).join(",127.0.0.1:")}/${MASTER}/0`,
    master: MASTER,
    sentinelPorts: sentinels.map(({ port }) => port),
    servers,
    currentMaster,
    failover: async () => {
      const old = await currentMaster();
      await old.kill();
      const isReplaced = async () => (await currentMaster().catch(() => old)) !== old;
      await waitUntil(isReplaced, "the sentinels to have another master", 20_000);
      return currentMaster();
    },
    stop,
  };
}

function sentinelConfig(
  port: number,
  masterAt: number,
  amount: number,
  { directory, password, sentinelPassword }: PrivateSentinelOptions,
): string {
  return [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${directory}`,
    "daemonize no",
    ...(sentinelPassword === undefined ? [] : [`requirepass ${sentinelPassword}`]),
    `sentinel monitor ${MASTER} 127.0.0.1 ${masterAt} ${Math.floor(amount / 2) + 1}`,
    ...(password === undefined ? [] : [`sentinel auth-pass ${MASTER} ${password}`]),
    `sentinel down-after-milliseconds ${MASTER} 500`,
    `sentinel failover-timeout ${MASTER} 3000`,
    "",
  ].join("\n");
}

async function allKnown(clients: readonly Redis[]): Promise<boolean> {
  const states = await Promise.all(
    clients.map((client) => client.call("SENTINEL", "MASTER", MASTER).catch(() => [])),
  );
  return states.every((state) => {
    const fields = Array.isArray(state) ? state.map(String) : [];
    const field = (name: string) => Number(fields[fields.indexOf(name) + 1]);
    return field("num-slaves") === 1 && field("num-other-sentinels") === clients.length - 1;
  });
}

async function masterPort(sentinel: Redis): Promise<number> {
  const answer = await sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER);
  return Number(Array.isArray(answer) ? answer[1] : undefined);
}
