import type { RedisOptions } from "ioredis";
import { parseRedisUrl, type RedisAddress } from "../config/redis-url.ts";
import { messageOf, SafeShutdownError } from "../errors.ts";
import { watchLateness } from "./clock.ts";
import type { RedisClient } from "./redis-client.ts";
import { withRemedy } from "./redis-remedies.ts";

/** How long a server may take to be connected, and to answer. */
const CONNECT_MS = 1_500;
/** How long both may take together: BullMQ's and ioredis's own limits come one after another. */
const DEADLINE_MS = 1_800;

/** A server's address without its password: what reports and errors may show. */
export function addressOf(text: string): string {
  const address = parseRedisUrl(text);
  switch (address.kind) {
    case "single":
      return hostAndPort(address.node);
    case "socket":
      return address.path;
    case "sentinel":
      return `${address.master} of ${address.nodes.map(hostAndPort).join(",")}`;
    case "cluster":
      return address.nodes.map(hostAndPort).join(",");
  }
}

function hostAndPort({ host, port }: { host: string; port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A process that is so much late for its own timers has not had the processor. */
const STARVED_MS = 250;

/** A server that keeps silent costs every caller the whole deadline: for a moment its silence is remembered. */
const SILENCE = /timed out|ETIMEDOUT|does not answer/;
const SILENCE_MS = 5_000;
const silentSinceMs = new Map<string, number>();

/**
 * A connection that is made now or not at all: no queueing of commands, no reconnecting.
 * Throws `redis-unreachable`, within two seconds, with the reason and without the password; at once when the same
 * server has kept silent in the last five seconds.
 */
export async function connectRedis(url: string, options: RedisOptions = {}): Promise<RedisClient> {
  const server = `${addressOf(url)} ${parseRedisUrl(url).tls === undefined}`;
  if (performance.now() - (silentSinceMs.get(server) ?? Number.NEGATIVE_INFINITY) < SILENCE_MS) {
    throw unreachable(url, "it has not answered a moment ago");
  }
  const attempt = await tryToConnect(url, options);
  const { redis, why } = attempt.wasStarved ? await tryToConnect(url, options) : attempt;
  if (why === undefined) return redis;
  if (SILENCE.test(why)) silentSinceMs.set(server, performance.now());
  throw unreachable(url, why);
}

/** `why` says why it failed; it `wasStarved` when this process was too busy to hear the answer. */
async function tryToConnect(
  url: string,
  options: RedisOptions,
): Promise<{ redis: RedisClient; why: string | undefined; wasStarved: boolean }> {
  const redis = await makeOrThrow(url, { ...NOW_OR_NEVER, ...options });
  const deadlineMs = performance.now() + DEADLINE_MS;
  const latenessMs = watchLateness();
  const reason = await connectBy(deadlineMs, redis);
  const wasStarved = latenessMs() > STARVED_MS && reason !== undefined && SILENCE.test(reason);
  if (reason === undefined || wasStarved) return { redis, why: reason, wasStarved };
  return { redis, why: (await reasonOfNode(url, reason, deadlineMs)) ?? reason, wasStarved };
}

const NOW_OR_NEVER: RedisOptions = {
  lazyConnect: true,
  connectTimeout: CONNECT_MS,
  commandTimeout: CONNECT_MS,
  disconnectTimeout: 100,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  retryStrategy: () => null,
};

/**
 * A connection that is made again whenever it is lost, for ever; what goes wrong meanwhile goes to `onError`.
 * Throws `redis-unreachable` only where it cannot even be tried, such as without the CA's file.
 */
export async function openRedis(url: string, onError: (error: Error) => void): Promise<RedisClient> {
  const address = parseRedisUrl(url);
  const redis = await makeOrThrow(url, { maxRetriesPerRequest: null });
  redis.on("error", (error: Error) => {
    onError(new Error(withoutSecrets(messageOf(error), address), { cause: error }));
  });
  return redis;
}

/** ioredis is loaded only where it is needed: a run that leaves Redis alone does without. */
async function makeOrThrow(url: string, options: RedisOptions): Promise<RedisClient> {
  try {
    const { makeClient } = await import("./redis-client.ts");
    return makeClient(parseRedisUrl(url), options);
  } catch (error) {
    throw unreachable(url, messageOf(error));
  }
}

/**
 * Connects; answers why it could not, `undefined` when it could. `connect()` itself rejects only with "Connection is
 * closed.", and for a Cluster that is down not at all: the reasons come as events, and the last one counts.
 */
async function connectBy(deadlineMs: number, redis: RedisClient): Promise<string | undefined> {
  let reason: string | undefined;
  redis.on("error", (error: Error) => {
    const why = messageOf("lastNodeError" in error ? error.lastNodeError : error);
    reason = why === "timeout" ? "it does not answer" : why; // a Cluster's node, asked for the slots
  });
  let timer: NodeJS.Timeout | undefined;
  const failed = new Promise<never>((_, reject) => {
    redis.once("end", () => reject(new Error("it is there, and down")));
    // what the socket has brought while this process was busy is looked at first
    const late = () => setImmediate(reject, new Error(`it does not answer within ${DEADLINE_MS} ms`));
    timer = setTimeout(late, deadlineMs - performance.now());
  });
  try {
    await Promise.race([redis.connect().then(() => redis.ping()), failed]);
    return undefined;
  } catch (error) {
    redis.disconnect();
    return reason ?? messageOf(error);
  } finally {
    clearTimeout(timer);
  }
}

/** ioredis keeps to itself why a sentinel, or a node of a Cluster, could not be reached: one of them is asked again. */
async function reasonOfNode(url: string, reason: string, deadlineMs: number): Promise<string | undefined> {
  const address = parseRedisUrl(url);
  if (!("nodes" in address) || !reason.includes("Connection is closed")) return undefined;
  const [node] = address.nodes;
  if (node === undefined) return undefined;
  const credentials = address.kind === "sentinel" ? address.sentinelCredentials : address.credentials;
  const { tls } = address;
  const { makeClient } = await import("./redis-client.ts");
  return connectBy(deadlineMs, makeClient({ kind: "single", node, db: 0, credentials, tls }, NOW_OR_NEVER));
}

function unreachable(url: string, reason: string): SafeShutdownError {
  const address = parseRedisUrl(url);
  const text = withoutSecrets(withRemedy(reason, address), address);
  return new SafeShutdownError("redis-unreachable", `Redis at ${addressOf(url)} cannot be reached: ${text}`);
}

/** A server may quote what it was told, the password among it. */
function withoutSecrets(message: string, address: RedisAddress): string {
  const all = [address.credentials, ...(address.kind === "sentinel" ? [address.sentinelCredentials] : [])];
  return all
    .flatMap(({ password = "", username = "" }) => [password, username])
    .filter((secret) => secret !== "" && secret !== "default")
    .flatMap((secret) => [secret, encodeURIComponent(secret)])
    .reduce((text, secret) => text.replaceAll(secret, "***"), message);
}

/** What ioredis, and a Cluster that elects a new master, say when Redis is gone, or is not there yet. */
const LOSS =
  /Connection is closed|Stream isn't writeable|Command timed out|max retries|ECONN|EPIPE|ETIMEDOUT|^LOADING|CLUSTERDOWN|Cluster isn't ready|Cluster redirections|refresh slots cache/i;

/** Whether an error means that Redis was lost, and may come back. */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof SafeShutdownError) return error.code === "redis-unreachable";
  return LOSS.test(messageOf(error));
}
