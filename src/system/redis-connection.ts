import type { RedisOptions } from "ioredis";
import { parseRedisUrl, type RedisAddress } from "../config/redis-url.ts";
import { messageOf, SafeShutdownError } from "../errors.ts";
import { makeClient, type RedisClient } from "./redis-client.ts";
import { withRemedy } from "./redis-tls.ts";

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
  const address = addressOf(url);
  if (performance.now() - (silentSinceMs.get(address) ?? Number.NEGATIVE_INFINITY) < SILENCE_MS) {
    throw unreachable(url, "it has not answered a moment ago");
  }
  const redis = makeOrThrow(url, false, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    commandTimeout: CONNECT_MS,
    disconnectTimeout: 100,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: () => null,
    ...options,
  });
  const reasonOf = listenForReasons(redis);
  try {
    await withinDeadline(redis);
    return redis;
  } catch (error) {
    redis.disconnect();
    const why = reasonOf() ?? messageOf(error);
    if (SILENCE.test(why)) silentSinceMs.set(address, performance.now());
    throw unreachable(url, why);
  }
}

/**
 * A connection that is made again whenever it is lost, for ever; what goes wrong meanwhile goes to `onError`.
 * Throws `redis-unreachable` only where it cannot even be tried, such as without the CA's file.
 */
export function openRedis(url: string, onError: (error: Error) => void): RedisClient {
  const redis = makeOrThrow(url, true, { maxRetriesPerRequest: null });
  redis.on("error", (error: Error) => {
    onError(new Error(withoutSecrets(withRemedy(messageOf(error)), parseRedisUrl(url)), { cause: error }));
  });
  return redis;
}

function makeOrThrow(url: string, reconnects: boolean, options: RedisOptions): RedisClient {
  try {
    return makeClient(parseRedisUrl(url), { reconnects, options });
  } catch (error) {
    throw unreachable(url, messageOf(error));
  }
}

/** `connect()` rejects only with "Connection is closed.", if at all: the reasons come as events, the last one counts. */
function listenForReasons(redis: RedisClient): () => string | undefined {
  let reason: string | undefined;
  const note = (error: Error) => {
    reason = messageOf("lastNodeError" in error ? error.lastNodeError : error);
  };
  redis.on("error", note);
  redis.on("node error", note);
  redis.on("sentinelError", note);
  return () => reason;
}

/** A Cluster that is down ends its connection, and leaves the promise of it open. */
async function withinDeadline(redis: RedisClient): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const failed = new Promise<never>((_, reject) => {
    redis.once("end", () => reject(new Error("it ended the connection at once")));
    timer = setTimeout(() => reject(new Error(`it does not answer within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  try {
    await Promise.race([redis.connect().then(() => redis.ping()), failed]);
  } finally {
    clearTimeout(timer);
  }
}

function unreachable(url: string, reason: string): SafeShutdownError {
  const text = withoutSecrets(withRemedy(reason), parseRedisUrl(url));
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

/** What ioredis says in many words when the connection is gone, or is not there yet. */
const LOSS =
  /Connection is closed|Stream isn't writeable|Command timed out|max retries|ECONN|EPIPE|ETIMEDOUT|^LOADING/i;

/** Whether an error means that Redis was lost, and may come back. */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof SafeShutdownError) return error.code === "redis-unreachable";
  return LOSS.test(messageOf(error));
}
