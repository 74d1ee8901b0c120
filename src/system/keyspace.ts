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
import { Pace } from "./pace.ts";
import { type PassOptions, type PrunePage, pass, workOf } from "./prune-pass.ts";
import type { Quota } from "./quota.ts";
import type { RedisClient } from "./redis-client.ts";
import { addressOf, connectRedis, isConnectionLoss } from "./redis-connection.ts";
import { answerOf, isFailover, lossOf, type ServerState, serversOf, stateOfServer } from "./redis-server.ts";
import { steadily } from "./steadily.ts";
import { topologyOf } from "./topology.ts";

export interface KeyspaceOptions {
  readonly mode: Mode;
  /** How long script calls may hold Redis at a stretch. */
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
/** From so many keys on a server is scanned over two connections: with fewer it is over before anybody has looked round. */
const WORTH_TWO = 50_000;

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
    const { mode, latencyBudgetMs, maxKeysPerSecond, protectedKeys, clock, signal } = this.#options;
    const { uptimeSeconds, hasTrueIdleTimes, isClusterNode, runId } = await stateOfServer(server);
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
      longestMicros: 4_000 * latencyBudgetMs,
      maxScans: MAX_SCANS,
      trustIdle: hasTrueIdleTimes,
      uptimeSeconds,
      isCelery,
      readsValues: isCelery || rule.age.some(({ kind }) => READING.includes(kind)),
      oneByOne: isClusterNode,
    };
    const size = await answerOf(server, server.dbsize());
    const isWorthTwo = size >= WORTH_TWO && !isClusterNode && !room.isForOne;
    const second = isWorthTwo ? await this.#secondTo(runId, rule) : undefined;
    const callers = second === undefined ? 1 : 2;
    const pace = new Pace({
      ...{ maxKeysPerSecond, callers, clock },
      work: () => workOf(server),
      allAnswered: () => server.ping(),
    });
    const about = { intent, size, latencyBudgetMs, room, pace, signal };
    if (second === undefined) yield* this.#pass(server, { ...about, part: "all" });
    else {
      yield* inParallel([
        this.#pass(server, { ...about, part: "even" }),
        this.#pass(second, { ...about, part: "odd" }),
      ]);
    }
  }

  async *#pass(server: Redis, options: PassOptions): AsyncGenerator<PrunePage> {
    try {
      for await (const page of pass(server, options)) {
        yield page;
        if (page.kept.has("limit")) throw options.room.refusal();
      }
    } catch (error) {
      if (options.signal.aborted || error instanceof SafeShutdownError) throw error;
      throw server.status !== "ready" || isConnectionLoss(error) ? lossOf(error) : error;
    }
  }

  /** Another connection to a server, if it takes one more, and if the same server is behind the address again. */
  async #secondTo(runId: string, { url, db }: PruneRule): Promise<Redis | undefined> {
    try {
      const [second] = serversOf(await this.#connect(url, db, 2));
      if (second === undefined || runId === "") return undefined;
      return (await stateOfServer(second)).runId === runId ? second : undefined;
    } catch {
      return undefined;
    }
  }

  async #connect(url: string, db?: number, nth = 1): Promise<RedisClient> {
    const key = keyOf(url, db, nth);
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
      for (const key of [keyOf(url, db), keyOf(url, db, 2)]) {
        const [old] = await Promise.allSettled([this.#connections.get(key)]);
        if (old.status === "fulfilled") old.value?.disconnect();
        this.#connections.delete(key);
      }
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

function keyOf(url: string, db: number | undefined, nth = 1): string {
  return `${url} ${db ?? ""} ${nth}`;
}

/** The rungs that read something of unknown size. */
const READING: readonly string[] = ["json", "value", "field", "score", "lastId"];
