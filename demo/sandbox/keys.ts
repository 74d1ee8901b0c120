import { Redis } from "ioredis";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The TTL the scraper gives its tracking keys and Celery its results: a key's age is this minus the rest. */
const INITIAL_TTL = 24 * HOUR;

export interface SandboxKeys {
  readonly removed: readonly string[];
  readonly kept: readonly string[];
  /** Of the kept ones: no TTL and no age to prove, so they are given one. */
  readonly givenTtl: readonly string[];
}

/** Puts the application's keys into the database the URL names, ages told by TTL or by `date_done`. */
export async function createKeys(url: string): Promise<SandboxKeys> {
  const redis = new Redis(url);
  try {
    const givenTtl = await createWithoutTtl(redis);
    return {
      removed: [
        ...(await createMessages(redis, "old", 3 * HOUR)),
        ...(await createResults(redis, "old", HOUR)),
      ],
      kept: [
        ...(await createMessages(redis, "young", 2 * MINUTE)),
        ...(await createResults(redis, "young", MINUTE)),
        ...(await createUnfinishedResult(redis)),
        ...(await createBrokerKeys(redis)),
        ...(await createUnrelatedKeys(redis)),
        ...givenTtl,
      ],
      givenTtl,
    };
  } finally {
    redis.disconnect();
  }
}

async function createMessages(redis: Redis, kind: string, ageMs: number): Promise<string[]> {
  const keys = Array.from({ length: 12 }, (_, n) => `telegram_message:${kind}:${n}`);
  for (const key of keys) await redis.set(key, "seen", "PX", INITIAL_TTL - ageMs);
  return keys;
}

async function createWithoutTtl(redis: Redis): Promise<string[]> {
  const keys = ["telegram_message:no-ttl:0", "telegram_message:no-ttl:1"];
  for (const key of keys) await redis.set(key, "seen");
  return keys;
}

async function createResults(redis: Redis, kind: string, ageMs: number): Promise<string[]> {
  const keys = Array.from({ length: 6 }, (_, n) => `celery-task-meta-${kind}-${n}`);
  // Python's datetime.utcnow().isoformat(): microseconds and no zone.
  const doneAt = new Date(Date.now() - ageMs).toISOString().replace("Z", "123");
  for (const key of keys) {
    const result = { status: "SUCCESS", result: null, traceback: null, children: [], date_done: doneAt };
    await redis.set(key, JSON.stringify({ ...result, task_id: key.slice(17) }), "PX", INITIAL_TTL - ageMs);
  }
  return keys;
}

/** A task that is still running has no `date_done`: its age cannot be told. */
async function createUnfinishedResult(redis: Redis): Promise<string[]> {
  const key = "celery-task-meta-running-0";
  const result = { status: "STARTED", result: { pid: 1 }, traceback: null, children: [] };
  await redis.set(key, JSON.stringify(result), "PX", INITIAL_TTL - HOUR);
  return [key];
}

/** What Kombu keeps; losing a binding stops the broker, losing the rest loses tasks. */
async function createBrokerKeys(redis: Redis): Promise<string[]> {
  const task = (n: number) => JSON.stringify({ body: "W1tdLCB7fSwge31d", headers: { id: `waiting-${n}` } });
  await redis.sadd("_kombu.binding.celery", "celery\x06\x16\x06\x16celery");
  await redis.sadd("_kombu.binding.celery.pidbox", "\x06\x16\x06\x16celery@scraper.celery.pidbox");
  await redis.lpush("celery", task(1), task(2), task(3));
  await redis.hset("unacked", "tag-1", JSON.stringify([task(4), "", "celery"]));
  await redis.zadd("unacked_index", Date.now() / 1000, "tag-1");
  return ["_kombu.binding.celery", "_kombu.binding.celery.pidbox", "celery", "unacked", "unacked_index"];
}

/** Names that a careless pattern would take along. */
async function createUnrelatedKeys(redis: Redis): Promise<string[]> {
  const keys = ["telegram_messages_total", "cache:telegram_message:1", "celery-task-metadata", "user:42"];
  for (const key of keys) await redis.set(key, "not yours", "PX", HOUR);
  return keys;
}
