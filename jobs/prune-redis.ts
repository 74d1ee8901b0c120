import { z } from "zod";
import type { PruneRule, QueueRule } from "../src/config/config.ts";
import { formatDuration } from "../src/config/duration.ts";
import { SafeShutdownError } from "../src/errors.ts";
import { whyKept } from "../src/report/kept-keys.ts";
import { ScanTally } from "../src/report/scan-tally.ts";
import { addressOf } from "../src/system/redis-connection.ts";
import { defineJob, type JobContext } from "./job.ts";

export const pruneRedis = defineJob({
  name: "prune-redis",
  summary: "Remove keys whose age is proved; never a broker's key, never by guess.",
  runsOn: "one host",
  input: z.strictObject({}),
  async run(_input, context) {
    const { config, report } = context;
    let away: SafeShutdownError | undefined;
    for (const rule of config.redis.prune) away = (await ifThere(() => prune(rule, context))) ?? away;
    for (const rule of config.redis.queues) away = (await ifThere(() => pruneQueue(rule, context))) ?? away;
    if (away === undefined) return;
    if (away.code === "redis-unreachable") throw away; // tried again, or the end of it: see the engines
    report.incomplete(away.message);
  },
});

const TOLD: readonly string[] = ["redis-unreachable", "partial"];

/** A server that is away keeps nobody from pruning another one: answers the error. */
async function ifThere(work: () => Promise<void>): Promise<SafeShutdownError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof SafeShutdownError && TOLD.includes(error.code)) return error;
    throw error;
  }
}

/** One rule, page by page. Its keys are counted as they go: one item per reason, not per key. */
async function prune(rule: PruneRule, { config, redis, report, clock }: JobContext): Promise<void> {
  const target = `${rule.keys} (${placeOf(rule, config)})`;
  const limit = formatDuration(rule.olderThanMs);
  const size = await redis.size(rule);
  const tally = new ScanTally(target, clock.elapsed());
  try {
    for await (const page of redis.prune(rule)) {
      const { removed, bytes, givenTtl, kept } = page;
      tally.add(page);
      report.waitingFor(`the end of the scan: ${tally.progress(size, clock.elapsed())}`);
      report.countKeys({ target, outcome: redis.removal, reason: `older than ${limit}` }, removed, bytes);
      for (const [why, keys] of kept) {
        report.countKeys({ target, outcome: "kept", reason: whyKept(why, limit) }, keys);
      }
      if (givenTtl > 0) {
        const given = redis.removal === "planned" ? "to be given" : "given";
        const reason = `with no TTL and no provable age, ${given} a TTL of ${limit}`;
        report.countKeys({ target, outcome: "kept", reason }, givenTtl);
      }
    }
  } finally {
    report.scanned(tally.result(clock.elapsed()));
  }
}

/** Another server than the application's is named. */
function placeOf({ url, db }: PruneRule | QueueRule, { redis }: JobContext["config"]): string {
  return url === redis.url ? `db ${db}` : `db ${db} of ${addressOf(url)}`;
}

/** Finished jobs of a queue of the application's. What they take in memory is not known. */
async function pruneQueue(rule: QueueRule, { config, queues, redis, report }: JobContext): Promise<void> {
  const target = `${rule.prefix}:${rule.queue} (${placeOf(rule, config)})`;
  const limit = formatDuration(rule.olderThanMs);
  const state = rule.states.join(" or ");
  for await (const { removed, kept, isMissing } of queues.prune(rule)) {
    if (isMissing) report.kept(target, "there is no such queue");
    else {
      report.countKeys(
        { target, outcome: redis.removal, reason: `${state}, older than ${limit}` },
        removed,
        0,
        "job",
      );
      if (kept > 0) {
        report.countKeys(
          { target, outcome: "kept", reason: `${state}, younger than ${limit}` },
          kept,
          0,
          "job",
        );
      }
    }
  }
}
