import { z } from "zod";
import { listOf, text } from "./lengths.ts";
import { DURATION, duration, ownShare } from "./quantities.ts";
import { redisUrlFault } from "./redis-url.ts";

/* The part of the config file about Redis and what is pruned there. */

/** What a Redis URL is, for a message that says what was expected. */
export const REDIS_URL_IN_WORDS =
  "a URL such as redis://127.0.0.1:6379/0, rediss://host:6380/0 or redis+unix:///path.sock?db=0";
/** The URL of a Redis, as text. */
export const redisUrl = z
  .string()
  .refine((url) => redisUrlFault(url) === undefined, { error: `expected ${REDIS_URL_IN_WORDS}` });

const pointer = z.string().regex(/^[^#]+#\/.+$/, {
  error: "expected a file and a JSON pointer, such as config/config.json#/FETCH_INTERVAL_SECONDS",
});
/** Where in the application's own config a duration is found. */
export const setting = z
  .strictObject({
    setting: z
      .union([pointer, listOf(pointer)], {
        error: "expected a file#/json/pointer, or a list of them",
      })
      .meta({ description: "Where to look: file#/json/pointer, the first one found wins." }),
    unit: z.enum(["ms", "s", "m", "h", "d"]).meta({ description: "The unit of the number found there." }),
    default: duration.meta({ description: "Used when no setting is found." }),
    times: z.number().positive().default(1).meta({ description: "The value is multiplied by this." }),
  })
  .meta({ description: "A duration taken from the application's own config." });
/** A duration, or where to find it. */
export const durationOrSetting = z.union([duration, setting], {
  error: `${DURATION}, or a mapping with setting, unit and default`,
});

const ageRung = z.union(
  [
    z.literal("idle").meta({ description: "Time since the key was last used, where that can be trusted." }),
    z.strictObject({ ttl: duration }).meta({ description: "This initial TTL minus what remains of it." }),
    z.strictObject({ json: text }).meta({
      description: "A time in a JSON value, by its path (a.b.c): ISO 8601, or Unix time in s or ms.",
    }),
    z.strictObject({ value: z.enum(["epoch", "iso"]) }).meta({
      description: "The value itself is a time: Unix time in s or ms, or ISO 8601.",
    }),
    z.strictObject({ keyPart: z.int().min(1) }).meta({
      description:
        "A part of the key between colons, counted from 1: Unix time, or a day such as 2026-01-31.",
    }),
    z.strictObject({ field: text }).meta({ description: "A time in a field of a hash." }),
    z.literal("score").meta({ description: "The newest score of a sorted set, as Unix time." }),
    z.literal("lastId").meta({ description: "The last id of a stream." }),
  ],
  {
    error:
      "expected idle, { ttl: 24h }, { json: date_done }, { value: epoch }, { keyPart: 2 }, { field: updated_at }, score or lastId",
  },
);

const pruneRule = z.strictObject({
  keys: text.meta({ description: "A Redis glob." }),
  type: z.enum(["string", "hash", "set", "zset", "list", "stream"]).optional().meta({
    description: "Only keys of this type. Without it lists and streams are kept: they may be queues.",
  }),
  olderThan: durationOrSetting,
  age: listOf(ageRung).meta({ description: "How to tell a key's age, best first." }),
  withoutTtl: z.enum(["keep", "expire"]).default("keep").meta({
    description: "A key with no TTL and no provable age: keep it, or give it a TTL of olderThan.",
  }),
  url: redisUrl.optional().meta({ description: "Another server than redis.url." }),
  db: z.int().min(0).optional().meta({ description: "Another database than the URL's." }),
  share: ownShare,
});

const queueRule = z.strictObject({
  bullmq: text.refine((name) => !name.includes(":"), {
    error: 'expected the name of a BullMQ queue, without ":"',
  }),
  prefix: text
    .refine((prefix) => !prefix.startsWith("{safe-shutdown-"), {
      error: "expected the prefix of the application's queues, not of safe-shutdown's own",
    })
    .default("bull")
    .meta({ description: "BullMQ's prefix of the queue's keys." }),
  states: listOf(z.enum(["completed", "failed"]))
    .default(["completed", "failed"])
    .meta({
      description: "Which finished jobs.",
    }),
  olderThan: durationOrSetting,
  url: redisUrl.optional().meta({ description: "Another server than redis.url." }),
  db: z.int().min(0).optional().meta({ description: "Another database than the URL's." }),
});
const anyPruneRule = z.union([pruneRule, queueRule], {
  error: "expected a mapping with keys and age, or with bullmq",
});

/** The section `redis`. */
export const redis = z.strictObject({
  url: redisUrl.default("redis://127.0.0.1:6379/0").meta({
    description: "The application's Redis: pruned, and the queue's home unless queue.url names another.",
  }),
  latencyBudget: duration
    .prefault("2ms")
    .meta({ description: "How long script calls may hold Redis at a stretch." }),
  maxKeysPerSecond: z.int().positive().optional().meta({
    description:
      "How many matching keys of a server are looked at in a second; as fast as it goes unless given.",
  }),
  brokerQueues: z.array(text).default(["celery"]).meta({
    description: "The broker's queue lists: no prune rule may match them.",
  }),
  prune: z.array(anyPruneRule).default([]),
});
