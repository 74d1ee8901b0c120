import { Redis, type RedisOptions } from "ioredis";
import { databaseOf } from "../config/redis-url.ts";
import { messageOf, SafeShutdownError } from "../errors.ts";

/** How long a server may take to be connected, and to answer. */
const CONNECT_MS = 1_500;
/** How long both may take together: BullMQ's and ioredis's own limits come one after another. */
const DEADLINE_MS = 1_800;

/**
 * ioredis options of a Redis URL: `redis://`, `rediss://` (TLS) or `redis+unix:///path.sock?db=0`, with an
 * optional user and password.
 */
export function redisOptionsOf(text: string): RedisOptions {
  const url = new URL(text);
  const isSocket = url.protocol === "redis+unix:";
  return {
    ...(isSocket
      ? { path: decodeURIComponent(url.pathname) }
      : { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || 6379) }),
    ...(url.protocol === "rediss:" && { tls: {} }),
    ...(url.username !== "" && { username: decodeURIComponent(url.username) }),
    ...(url.password !== "" && { password: decodeURIComponent(url.password) }),
    db: databaseOf(text),
  };
}

/** A server's address without its password: what reports and errors may show. */
export function addressOf(text: string): string {
  const url = new URL(text);
  return url.protocol === "redis+unix:" ? url.pathname : `${url.hostname}:${url.port || 6379}`;
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
export async function connectRedis(url: string, options: RedisOptions = {}): Promise<Redis> {
  const address = addressOf(url);
  if (performance.now() - (silentSinceMs.get(address) ?? Number.NEGATIVE_INFINITY) < SILENCE_MS) {
    throw unreachable(url, "it has not answered a moment ago");
  }
  const settings: RedisOptions = {
    ...redisOptionsOf(url),
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    commandTimeout: CONNECT_MS,
    disconnectTimeout: 100,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: () => null,
    ...options,
  };
  const redis = new Redis({ ...settings, replyMapping: "legacy" });
  // connect() itself rejects only with "Connection is closed.": the reason comes as an event
  let reason: unknown;
  redis.on("error", (error) => {
    reason = error;
  });
  const timer = setTimeout(() => {
    reason ??= new Error(`it does not answer within ${DEADLINE_MS} ms`);
    redis.disconnect();
  }, DEADLINE_MS);
  try {
    await redis.connect();
    await redis.ping();
    return redis;
  } catch (error) {
    redis.disconnect();
    const why = messageOf(reason ?? error);
    if (SILENCE.test(why)) silentSinceMs.set(address, performance.now());
    throw unreachable(url, why);
  } finally {
    clearTimeout(timer);
  }
}

function unreachable(url: string, reason: string): SafeShutdownError {
  const text = withoutSecrets(reason, url);
  return new SafeShutdownError("redis-unreachable", `Redis at ${addressOf(url)} cannot be reached: ${text}`);
}

/** A server may quote what it was told, the password among it. */
function withoutSecrets(message: string, url: string): string {
  const { username, password } = new URL(url);
  const secrets = [password, decodeURIComponent(password), username, decodeURIComponent(username)];
  return secrets
    .filter((secret) => secret !== "" && secret !== "default")
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
