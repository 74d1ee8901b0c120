import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { type PrivateRedis, type PrivateRedisOptions, startPrivateRedis } from "../../demo/redis.ts";
import {
  type PrivateCluster,
  type PrivateClusterOptions,
  startPrivateCluster,
} from "../../demo/redis-cluster.ts";
import {
  type PrivateSentinel,
  type PrivateSentinelOptions,
  startPrivateSentinel,
} from "../../demo/redis-sentinel.ts";
import { onFinished } from "./finish.ts";
import { sharedTemporaryDirectory, temporaryDirectory } from "./temp.ts";

export { type PrivateRedis, type PrivateRedisOptions, startPrivateRedis };

/** A Redis of the test's own, stopped when the test has finished. */
export async function useRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  const redis = await startPrivateRedis({ directory: temporaryDirectory(), ...options });
  onFinished(() => redis.stop());
  return redis;
}

/** A master, a replica and sentinels of the test's own, stopped when the test has finished. */
export async function useSentinel(
  options: Omit<PrivateSentinelOptions, "directory"> = {},
): Promise<PrivateSentinel> {
  const sentinel = await startPrivateSentinel({ directory: temporaryDirectory(), ...options });
  onFinished(() => sentinel.stop());
  return sentinel;
}

/** A Redis Cluster of the test's own, stopped when the test has finished. */
export async function useCluster(
  options: Omit<PrivateClusterOptions, "directory"> = {},
): Promise<PrivateCluster> {
  const cluster = await startPrivateCluster({ directory: temporaryDirectory(), ...options });
  onFinished(() => cluster.stop());
  return cluster;
}

/** An ioredis client that is disconnected when the test has finished. */
export function useClient(url: string): Redis {
  const client = new Redis(url);
  onFinished(() => client.disconnect());
  return client;
}

export interface SharedRedis {
  /** Only to be used inside tests and hooks. */
  server(): PrivateRedis;
  client(): Redis;
}

/** One Redis for all tests of a file or `describe` block; empty at the start of each. */
export function sharedRedis(options: PrivateRedisOptions = {}): SharedRedis {
  const directory = sharedTemporaryDirectory();
  let up: { server: PrivateRedis; client: Redis } | undefined;
  const started = () => {
    if (!up) throw new Error("the shared Redis is up only inside tests and hooks");
    return up;
  };
  beforeAll(async () => {
    const server = await startPrivateRedis({ directory, ...options });
    up = { server, client: new Redis(server.url) };
  });
  beforeEach(async () => {
    await started().client.flushall();
  });
  afterAll(async () => {
    up?.client.disconnect();
    await up?.server.stop();
  });
  return { server: () => started().server, client: () => started().client };
}
