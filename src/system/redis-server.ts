import type { Redis } from "ioredis";
import { messageOf, SafeShutdownError } from "../errors.ts";
import type { RedisClient } from "./redis-client.ts";
import { isConnectionLoss } from "./redis-connection.ts";

/** What a server says of itself. */
export interface ServerState {
  readonly usedMemoryBytes: number;
  readonly maxMemoryPolicy: string;
  readonly uptimeSeconds: number;
  readonly version: string;
  /** Of this start of this server. */
  readonly runId: string;
  /** One of the nodes of a Cluster. */
  readonly isClusterNode: boolean;
  /**
   * Idle times are none under an LFU policy, nor after it. That there never was one shows only where the statistics
   * reach back to the start of the server: what cannot be told is not true.
   */
  readonly hasTrueIdleTimes: boolean;
}

/** The connections to all servers that hold keys of their own: each master of a Cluster, else the one server. */
export function serversOf(redis: RedisClient): readonly Redis[] {
  return "nodes" in redis ? redis.nodes("master") : [redis];
}

export async function stateOfServer(server: Redis): Promise<ServerState> {
  const info = await answerOf(server, server.info("all"));
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]?.trim() ?? "";
  const maxMemoryPolicy = field("maxmemory_policy");
  return {
    usedMemoryBytes: Number(field("used_memory")),
    maxMemoryPolicy,
    uptimeSeconds: Number(field("uptime_in_seconds")),
    version: field("redis_version"),
    runId: field("run_id"),
    isClusterNode: field("cluster_enabled") === "1",
    hasTrueIdleTimes: !maxMemoryPolicy.includes("lfu") && isAsStarted(info),
  };
}

/**
 * Whether the policy is the one that the server started with. CONFIG SET shows in the statistics of commands;
 * RESETSTAT clears them, and is the first to be counted then. Before Redis 7 any use of CONFIG is counted as one.
 */
function isAsStarted(info: string): boolean {
  return /^cmdstat_/m.test(info) && !/^cmdstat_config(\|set|\|resetstat)?:/m.test(info);
}

/** An answer of a server that was there before. Throws `redis-unreachable` when it is not any more. */
export async function answerOf<T>(server: Redis, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw server.status === "ready" && !isConnectionLoss(error) ? error : lossOf(error);
  }
}

export function lossOf(error: unknown): SafeShutdownError {
  return new SafeShutdownError("redis-unreachable", `Redis was lost: ${messageOf(error)}`, { cause: error });
}

/** What a master says that is none any more, or not yet. */
const FAILING_OVER = /READONLY|CLUSTERDOWN|MASTERDOWN|LOADING|cluster is down/;

/** Whether another server may soon be in the place of one that answered so. */
export function isFailover(error: unknown): boolean {
  return isConnectionLoss(error) || FAILING_OVER.test(messageOf(error));
}
