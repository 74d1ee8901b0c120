import { z } from "zod";
import type { Queues } from "./queues.ts";
import { parseStored } from "./stored.ts";

/*
 * All that Redis keeps of the schedule, by the names of its entries: the last slot handled, so that one nobody was up
 * for is made up once; the last run; and the slots that were skipped lately.
 */

/** As many as clocks may lie apart, in slots of a few seconds. */
const SKIPS_KEPT = 20;

const skippedSlot = z.object({
  /** When it was: ISO 8601. */
  at: z.iso.datetime(),
  reason: z.string(),
  /** Other slots skipped lately: a slower worker must not run them either. */
  before: z.array(z.string()).default([]),
});
export type SkippedSlot = Readonly<z.output<typeof skippedSlot>>;

const lastRun = z.object({ run: z.string(), at: z.iso.datetime() });
export type LastRun = Readonly<z.output<typeof lastRun>>;

/** Marks a slot as handled, unless it or a later one is already; answers whether this call did. */
export async function markHandled(queues: Queues, entry: string, slotMs: number): Promise<boolean> {
  return (await queues.redis.zadd(handledKey(queues), "GT", "CH", slotMs, entry)) !== 0;
}

/** The first time an entry is seen, nothing was missed: its past starts now. */
export async function beginAt(queues: Queues, entry: string, slotMs: number): Promise<void> {
  await queues.redis.zadd(handledKey(queues), "NX", slotMs, entry);
}

export async function lastHandledMs(queues: Queues, entry: string): Promise<number | undefined> {
  const score = await queues.redis.zscore(handledKey(queues), entry);
  return score === null ? undefined : Number(score);
}

export async function noteRun(queues: Queues, entry: string, run: LastRun): Promise<void> {
  await queues.redis.hset(lastRunsKey(queues), entry, JSON.stringify(run));
}

export async function lastRunOf(queues: Queues, entry: string): Promise<LastRun | undefined> {
  return parseStored(lastRun, await queues.redis.hget(lastRunsKey(queues), entry));
}

/** Answers whether it was not known yet. Slots may come in any order. */
export async function noteSkip(queues: Queues, entry: string, at: string, reason: string): Promise<boolean> {
  const last = await lastSkipOf(queues, entry);
  const known = slotsOf(last);
  if (known.includes(at)) return false;
  const before = [...known, at]
    .toSorted()
    .toReversed()
    .slice(1, SKIPS_KEPT + 1);
  const newest = last === undefined || last.at < at ? { at, reason } : last;
  const skipped: SkippedSlot = { ...newest, before };
  await queues.redis.hset(skippedKey(queues), entry, JSON.stringify(skipped));
  return true;
}

/** The newest slot that had no run of its own. */
export async function lastSkipOf(queues: Queues, entry: string): Promise<SkippedSlot | undefined> {
  return parseStored(skippedSlot, await queues.redis.hget(skippedKey(queues), entry));
}

/** When the slots were that were skipped lately, newest first. */
export async function skipsOf(queues: Queues, entry: string): Promise<string[]> {
  return slotsOf(await lastSkipOf(queues, entry));
}

function slotsOf(last: SkippedSlot | undefined): string[] {
  return last === undefined ? [] : [last.at, ...last.before];
}

/** Entries that are in the config no more leave nothing behind. */
export async function forgetAllBut(queues: Queues, entries: readonly string[]): Promise<void> {
  const known = await queues.redis.zrange(handledKey(queues), "0", "-1");
  const gone = known.filter((entry) => !entries.includes(entry));
  if (gone.length === 0) return;
  await queues.redis
    .multi()
    .zrem(handledKey(queues), ...gone)
    .hdel(skippedKey(queues), ...gone)
    .hdel(lastRunsKey(queues), ...gone)
    .exec();
}

function handledKey(queues: Queues): string {
  return queues.key("slots");
}

function lastRunsKey(queues: Queues): string {
  return queues.key("last-runs");
}

function skippedKey(queues: Queues): string {
  return queues.key("skipped-slots");
}
