import type { Redis } from "ioredis";
import type { PruneRule } from "../config/config.ts";
import { guardFor, type ProtectedKeys } from "../config/protected-keys.ts";
import { parseRedisUrl } from "../config/redis-url.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Mode } from "../report/report.ts";
import { mayMeanResults } from "./celery-script.ts";
import type { Clock } from "./clock.ts";
import { inParallel } from "./in-parallel.ts";
import { KeyRoom } from "./key-room.ts";
import { type PrunePage, pass } from "./prune-pass.ts";
import type { Quota } from "./quota.ts";
import type { RedisClient } from "./redis-client.ts";
import { addressOf, connectRedis, isConnectionLoss } from "./redis-connection.ts";
import { answerOf, isFailover, lossOf, type ServerState, serversOf, stateOfServer } from "./redis-server.ts";
import { steadily } from "./steadily.ts";
import { topologyOf } from "./topology.ts";

export interface KeyspaceOptions {
  readonly mode: Mode;
  /** How long one script call may hold Redis. */
  readonly latencyBudgetMs: number;
  /** How many matching keys of a server may be looked at in a second; `undefined`: any number. */
  readonly maxKeysPerSecond: number | undefined;
  readonly protectedKeys: ProtectedKeys;
  readonly quota: Quota;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A bound on the scans of one call, should the server's clock stand still inside a script. */
const MAX_SCANS = 50;
/** How long a Sentinel or a Cluster may take to have another master. */
const FAILOVER_MS = 20_000;
const RETRY_MS = 250;

/** The hands that look at and prune Redis. Removals happen in the server, page by page, see `PRUNE_PAGE`. */
export class Keyspace {
  readonly #options: KeyspaceOptions;
  readonly #connections = new Map<string, Promise<RedisClient>>();
  /** The outcome of a removed key: `planned` in a plan. */
  readonly removal: "done" | "planned";

  constructor(options: KeyspaceOptions) {
    this.#options = options;
    this.removal = options.mode === "plan" ? "planned" : "done";
  }

  /** What a server says of itself; of a Cluster the memory of all masters. Throws `redis-unreachable`. */
  async stateOf(url: string): Promise<ServerState> {
    const states = await Promise.all(serversOf(await this.#connect(url)).map(stateOfServer));
    const [first] = states;
    if (first === undefined) throw new SafeShutdownError("redis-unreachable", "the Cluster has no master");
    return {
      ...first,
      usedMemoryBytes: states.reduce((sum, { usedMemoryBytes }) => sum + usedMemoryBytes, 0),
    };
  }

  /** How many keys there are where the rule looks, matching or not. Throws `redis-unreachable`. */
  async size({ url, db }: PruneRule): Promise<number> {
    const servers = serversOf(await this.#connect(url, db));
    const sizes = await Promise.all(servers.map((server) => answerOf(server, server.dbsize())));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /**
   * Prunes by one rule, on every master of a Cluster at once, and yields what was done. Between script calls others
   * get their turn. Gets over a failover and a reshard, see `steadily`. Throws `redis-unreachable`; `partial` when
   * it had no rest to finish; `refused` when a limit is reached; when aborted.
   */
  async *prune(rule: PruneRule): AsyncGenerator<PrunePage> {
    const room = new KeyRoom(this.#options.quota, rule);
    const { kind } = parseRedisUrl(rule.url);
    if (kind === "single" || kind === "socket") {
      yield* this.#pruneServers(await this.#connect(rule.url, rule.db), rule, room);
      return;
    }
    const { mode, clock, signal } = this.#options;
    let isFirst = true;
    yield* steadily({
      ...{ mode, room, clock, signal },
      open: async () => {
        const redis = await (isFirst ? this.#connect(rule.url, rule.db) : this.#reconnect(rule));
        isFirst = false;
        return {
          topology: () => topologyOf(serversOf(redis), kind === "cluster"),
          pages: () => this.#pruneServers(redis, rule, room),
        };
      },
      isFailover: (error) => !signal.aborted && isFailover(error),
    });
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    const connections = await Promise.allSettled(this.#connections.values());
    for (const connection of connections) {
      if (connection.status === "fulfilled") connection.value.disconnect();
    }
    this.#connections.clear();
  }

  #pruneServers(redis: RedisClient, rule: PruneRule, room: KeyRoom): AsyncGenerator<PrunePage> {
    return inParallel(serversOf(redis).map((server) => this.#pruneServer(server, rule, room)));
  }

  async *#pruneServer(server: Redis, rule: PruneRule, room: KeyRoom): AsyncGenerator<PrunePage> {
    const { mode, latencyBudgetMs, protectedKeys, ...options } = this.#options;
    const { uptimeSeconds, hasTrueIdleTimes, isClusterNode } = await stateOfServer(server);
    if (isClusterNode && parseRedisUrl(rule.url).kind !== "cluster") {
      const where = `Redis at ${addressOf(rule.url)}`;
      throw new SafeShutdownError(
        "partial",
        `${where} is a node of a Cluster: write redis+cluster:// for all of it`,
      );
    }
    const isCelery = mayMeanResults(rule.keys);
    const intent = {
      mode,
      keys: rule.keys,
      type: rule.type,
      olderThanMs: rule.olderThanMs,
      age: rule.age,
      withoutTtl: rule.withoutTtl,
      protected: guardFor(rule.keys, protectedKeys),
      budgetMicros: latencyBudgetMs * 1_000,
      maxScans: MAX_SCANS,
      trustIdle: hasTrueIdleTimes,
      uptimeSeconds,
      isCelery,
      readsValues: isCelery || rule.age.some(({ kind }) => READING.includes(kind)),
      oneByOne: isClusterNode,
    };
    try {
      for await (const page of pass(server, { ...options, intent, room })) {
        yield page;
        if (page.kept.has("limit")) throw room.refusal();
      }
    } catch (error) {
      if (options.signal.aborted || error instanceof SafeShutdownError) throw error;
      throw server.status !== "ready" || isConnectionLoss(error) ? lossOf(error) : error;
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

  /** A new connection in the place of one that was lost; waits for a failover to be over. */
  async #reconnect({ url, db }: PruneRule): Promise<RedisClient> {
    const { clock, signal } = this.#options;
    const deadlineMs = clock.elapsed() + FAILOVER_MS;
    for (;;) {
      const [old] = await Promise.allSettled([this.#connections.get(`${url} ${db}`)]);
      if (old.status === "fulfilled") old.value?.disconnect();
      this.#connections.delete(`${url} ${db}`);
      signal.throwIfAborted();
      try {
        return await this.#connect(url, db);
      } catch (error) {
        if (clock.elapsed() > deadlineMs) throw error;
        await clock.sleep(RETRY_MS, signal);
      }
    }
  }
}

/** The rungs that read something of unknown size. */
const READING: readonly string[] = ["json", "value", "field", "score", "lastId"];
