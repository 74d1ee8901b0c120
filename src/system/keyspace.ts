import type { Redis } from "ioredis";
import type { PruneRule } from "../config/config.ts";
import type { ProtectedKeys } from "../config/protected-keys.ts";
import { messageOf, SafeShutdownError } from "../errors.ts";
import type { Mode } from "../report/report.ts";
import { Allowance } from "./allowance.ts";
import { inParallel } from "./in-parallel.ts";
import { PRUNE_PAGE } from "./prune-script.ts";
import type { Quota } from "./quota.ts";
import { type RedisClient, serversOf } from "./redis-client.ts";
import { connectRedis, isConnectionLoss } from "./redis-connection.ts";

/** Why a key that a rule matches was kept. */
export type KeepReason = "young" | "used" | "unproved" | "given" | "queue" | "protected" | "limit";

/** What one script call did; counts of keys. */
export interface PrunePage {
  readonly matched: number;
  readonly removed: number;
  /** Memory of the removed keys, as MEMORY USAGE measures it. */
  readonly bytes: number;
  /** Keys with no TTL and no provable age that were given a TTL. */
  readonly givenTtl: number;
  readonly kept: ReadonlyMap<KeepReason, number>;
}

export interface ServerState {
  readonly usedMemoryBytes: number;
  readonly maxMemoryPolicy: string;
  readonly uptimeSeconds: number;
  readonly version: string;
}

export interface KeyspaceOptions {
  readonly mode: Mode;
  /** How long one script call may hold Redis. */
  readonly latencyBudgetMs: number;
  readonly protectedKeys: ProtectedKeys;
  /** How many keys may be removed. */
  readonly limit: number;
  /** How many bytes, and how many of a rule's keys. */
  readonly quota: Quota;
  readonly signal: AbortSignal;
}

/** A bound on the pages of one call, should the server's clock stand still inside a script. */
const MAX_SCANS = 50;
/** What one page may remove at most, so that servers which are pruned at once can share the limit. */
const MOST_PER_PAGE = 20_000;

/** The hands that look at and prune Redis. Removals happen in the server, page by page, see `PRUNE_PAGE`. */
export class Keyspace {
  readonly #options: KeyspaceOptions;
  readonly #connections = new Map<string, Promise<RedisClient>>();
  #room: Allowance;
  /** The outcome of a removed key: `planned` in a plan. */
  readonly removal: "done" | "planned";

  constructor(options: KeyspaceOptions) {
    this.#options = options;
    this.#room = new Allowance(options.limit);
    this.removal = options.mode === "plan" ? "planned" : "done";
  }

  /** Memory, policy, age and version of a server; of a Cluster the memory of all masters. Throws `redis-unreachable`. */
  async stateOf(url: string): Promise<ServerState> {
    const states = await Promise.all(serversOf(await this.#connect(url)).map(stateOfServer));
    const [first] = states;
    if (first === undefined) throw new SafeShutdownError("redis-unreachable", "the Cluster has no master");
    return {
      ...first,
      usedMemoryBytes: states.reduce((sum, { usedMemoryBytes }) => sum + usedMemoryBytes, 0),
    };
  }

  /**
   * Prunes by one rule, on every master of a Cluster at once, and yields what each script call did. Between calls
   * others get their turn. Throws `redis-unreachable`; `refused` when the limit on keys is reached; when aborted.
   */
  async *prune(rule: PruneRule): AsyncGenerator<PrunePage> {
    const redis = await this.#connect(rule.url, rule.db);
    yield* inParallel(serversOf(redis).map((server) => this.#pruneServer(server, rule)));
  }

  async *#pruneServer(server: Redis, rule: PruneRule): AsyncGenerator<PrunePage> {
    const { mode, latencyBudgetMs, protectedKeys, quota, signal } = this.#options;
    const { maxMemoryPolicy, uptimeSeconds } = await stateOfServer(server);
    const intent = JSON.stringify({
      mode,
      keys: rule.keys,
      olderThanMs: rule.olderThanMs,
      age: rule.age,
      withoutTtl: rule.withoutTtl,
      protected: protectedKeys,
      budgetMicros: latencyBudgetMs * 1_000,
      maxScans: MAX_SCANS,
      trustIdle: !maxMemoryPolicy.includes("lfu"),
      uptimeSeconds,
    });
    let cursor = "0";
    do {
      signal.throwIfAborted();
      const answer = await this.#page(server, cursor, intent, rule);
      cursor = answer.cursor;
      yield answer.page;
      if (answer.page.kept.has("limit")) throw quota.refusal(1, rule);
    } while (cursor !== "0");
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    const connections = await Promise.allSettled(this.#connections.values());
    for (const connection of connections) {
      if (connection.status === "fulfilled") connection.value.disconnect();
    }
    this.#connections.clear();
  }

  /** Servers that are pruned at once may pass a limit on bytes, or on a share, by what one page removes. */
  async #page(
    server: Redis,
    cursor: string,
    intent: string,
    rule: PruneRule,
  ): Promise<{ cursor: string; page: PrunePage }> {
    const { quota } = this.#options;
    const room = await this.#room.borrow(MOST_PER_PAGE);
    let removed = 0;
    try {
      const { amount, bytes } = quota.roomFor(rule);
      const rooms = [Math.min(room, amount), Math.min(bytes, Number.MAX_SAFE_INTEGER)];
      const answer = parsePage(
        await answerOf(server, server.call("EVAL", PRUNE_PAGE, 0, cursor, intent, ...rooms)),
      );
      removed = answer.page.removed;
      quota.looked(rule, answer.page.matched);
      quota.count(removed, answer.page.bytes, rule);
      return answer;
    } finally {
      this.#room.settle(room, removed);
    }
  }

  async #connect(url: string, db?: number): Promise<RedisClient> {
    const key = `${url} ${db ?? ""}`;
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const connection = connectRedis(url, { commandTimeout: 10_000, ...(db !== undefined && { db }) });
    this.#connections.set(key, connection);
    const redis = await connection;
    // Redis 7.2 and later: reading a value does not change its idle time
    await Promise.allSettled(serversOf(redis).map((server) => server.call("CLIENT", "NO-TOUCH", "ON")));
    return redis;
  }
}

async function stateOfServer(server: Redis): Promise<ServerState> {
  const info = await answerOf(server, server.info());
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]?.trim() ?? "";
  return {
    usedMemoryBytes: Number(field("used_memory")),
    maxMemoryPolicy: field("maxmemory_policy"),
    uptimeSeconds: Number(field("uptime_in_seconds")),
    version: field("redis_version"),
  };
}

/** An answer of a server that was there before. Throws `redis-unreachable` when it is not any more. */
async function answerOf<T>(redis: Redis, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (redis.status === "ready" && !isConnectionLoss(error)) throw error;
    throw new SafeShutdownError("redis-unreachable", `Redis was lost: ${messageOf(error)}`, { cause: error });
  }
}

function parsePage(answer: unknown): { cursor: string; page: PrunePage } {
  const [cursor, , matched, removed, bytes, givenTtl, ...pairs] = answer as [string, ...number[]];
  const kept = new Map<KeepReason, number>();
  for (let i = 0; i < pairs.length; i += 2) kept.set(String(pairs[i]) as KeepReason, Number(pairs[i + 1]));
  return {
    cursor: String(cursor),
    page: {
      matched: Number(matched),
      removed: Number(removed),
      bytes: Number(bytes),
      givenTtl: Number(givenTtl),
      kept,
    },
  };
}
