import { Redis } from "ioredis";
import { describe } from "vitest";
import { type PrivateRedis, useCluster, useSentinel } from "../support/redis.ts";
import { expectUndisturbed } from "./ending.ts";
import { fault } from "./fault.ts";
import { stopping, sweeping } from "./moments.ts";
import { type QueuePlace, Scene } from "./scene.ts";

/*
 * The master that holds the queue dies, and its replica takes over.
 */

interface WatchedPlace extends QueuePlace {
  /** Kills the master that holds the queue of an application; resolves when it was replaced. */
  failover(prefix: string): Promise<void>;
}

const places: Readonly<Record<string, () => Promise<WatchedPlace>>> = {
  "watched by sentinels": async () => {
    const { url, servers, failover } = await useSentinel();
    return { url, servers, failover: async () => void (await failover()) };
  },
  "that is a Cluster": async () => {
    const { url, masters, replicas, failover } = await useCluster({ replicas: 1 });
    const servers = [...masters, ...replicas.flat()];
    return {
      url,
      servers,
      failover: async (prefix) => failover(await homeOf(masters, `${prefix}:runs:meta`)),
    };
  },
};

describe.concurrent.each(Object.entries(places))("the master of a Redis %s", (_where, start) => {
  describe.concurrent.each([stopping, sweeping])("dies $moment", (moment) => {
    fault("and the run ends as if nothing had been", async () => {
      const place = await start();
      const scene = await Scene.open({ queue: place });
      const command = scene.command();
      await scene.strike(moment, () => place.failover(scene.app.prefix));
      scene.service.letGo();
      await expectUndisturbed(scene, await command.result);
    });
  });
});

async function homeOf(masters: readonly PrivateRedis[], key: string): Promise<PrivateRedis> {
  for (const master of masters) {
    const client = new Redis(master.url);
    const isHere = await client.exists(key).catch(() => 0);
    client.disconnect();
    if (isHere === 1) return master;
  }
  throw new Error(`expected ${key} on one of the masters`);
}
