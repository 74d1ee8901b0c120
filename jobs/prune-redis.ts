import { z } from "zod";
import type { PruneRule } from "../src/config/config.ts";
import { formatDuration } from "../src/config/duration.ts";
import type { KeepReason } from "../src/system/keyspace.ts";
import { defineJob, type JobContext } from "./job.ts";

export const pruneRedis = defineJob({
  name: "prune-redis",
  summary: "Remove keys whose age is proved; never a broker's key, never by guess.",
  runsOn: "one host",
  input: z.strictObject({}),
  async run(_input, context) {
    for (const rule of context.config.redis.prune) await prune(rule, context);
  },
});

/** One rule, page by page. Its keys are counted as they go; its items come at the end, one per reason. */
async function prune(rule: PruneRule, { redis, report }: JobContext): Promise<void> {
  const target = `${rule.keys} (db ${rule.db})`;
  const keptBy = new Map<string, number>();
  let removed = 0;
  try {
    for await (const page of redis.prune(rule)) {
      removed += page.removed;
      report.tally(redis.removal, page.removed, page.bytes);
      const kept = [...page.kept].map(([why, keys]) => [whyKept(why, rule), keys] as const);
      for (const [reason, keys] of [...kept, [givenTtl(rule), page.givenTtl] as const]) {
        if (keys > 0) keptBy.set(reason, (keptBy.get(reason) ?? 0) + keys);
        report.tally("kept", keys, 0);
      }
    }
  } finally {
    if (removed > 0 || keptBy.size === 0) {
      report.note({
        target,
        outcome: redis.removal,
        reason: `${countOf(removed)} older than ${formatDuration(rule.olderThanMs)}`,
      });
    }
    for (const [reason, keys] of keptBy)
      report.note({ target, outcome: "kept", reason: `${countOf(keys)} ${reason}` });
  }
}

function whyKept(why: KeepReason, rule: PruneRule): string {
  const limit = formatDuration(rule.olderThanMs);
  switch (why) {
    case "young":
      return `younger than ${limit}`;
    case "used":
      return `used within the last ${limit}`;
    case "unproved":
      return "whose age cannot be proved";
    case "given":
      return "given a TTL before, which they may live out";
    case "queue":
      return "that are lists or streams, which may be queues";
    case "protected":
      return "of the broker or the queue";
    case "limit":
      return "over limits.keys";
  }
}

function givenTtl(rule: PruneRule): string {
  return `with no TTL and no provable age, given a TTL of ${formatDuration(rule.olderThanMs)}`;
}

function countOf(keys: number): string {
  return keys === 1 ? "1 key" : `${keys} keys`;
}
