import { createTask, type Logger, type ScheduledTask } from "node-cron";
import { z } from "zod";
import type { Log } from "../../jobs/job.ts";
import type { Config, ScheduleEntry } from "../config/config.ts";
import { messageOf } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { loadReport } from "./history.ts";
import { knownHosts } from "./hosts.ts";
import { type Intent, intentSchema } from "./intent.ts";
import { PARENT_OPTIONS, type Queues } from "./queues.ts";
import { parseStored } from "./stored.ts";

/*
 * Every worker ticks. The id of a scheduled run holds the time of its slot, so however many workers tick, a slot
 * has one run; a run still going when the next slot comes keeps its place. All that Redis keeps is the last slot
 * handled, so that a slot nobody was up for is made up, once.
 */

/** How far back a missed slot is looked for, and in which steps: an expression of six fields begins with seconds. */
const LOOK_BACK = {
  minutes: { stepMs: 60_000, backMs: 7 * 86_400_000 },
  seconds: { stepMs: 1_000, backMs: 86_400_000 },
};

/** As many as clocks may lie apart, in slots of a few seconds. */
const SKIPS_KEPT = 20;

/** node-cron's own log lines say nothing that ours do not. */
const SILENT: Logger = { info() {}, warn() {}, error() {}, debug() {} };

export interface ScheduleOptions {
  readonly config: Config;
  readonly queues: Queues;
  readonly clock: Clock;
  readonly log: Log;
}

const skippedSlot = z.object({
  /** When it was: ISO 8601. */
  at: z.iso.datetime(),
  reason: z.string(),
  /** Other slots skipped lately: a slower worker must not run them either. */
  before: z.array(z.string()).default([]),
});
const lastRun = z.object({ run: z.string(), at: z.iso.datetime() });
type SkippedSlot = Readonly<z.output<typeof skippedSlot>>;

/** An entry with its past and its future. */
export interface ScheduleState {
  readonly name: string;
  readonly cron: string;
  /** `undefined`: the time zone of this process. */
  readonly timezone: string | undefined;
  readonly last: { readonly run: string; readonly at: string; readonly verdict: string } | undefined;
  /** The newest slot that had no run of its own, and why. */
  readonly skipped: SkippedSlot | undefined;
  /** ISO 8601. */
  readonly next: readonly string[];
}

/** Fires the schedule until stopped; first makes up for what was missed. */
export async function startSchedule(options: ScheduleOptions): Promise<() => Promise<void>> {
  const { config, queues, log } = options;
  const names = config.schedule.map(({ name }) => name);
  const forgotten = (await queues.redis.zrange(slotsKey(queues), "0", "-1")).filter(
    (name) => !names.includes(name),
  );
  if (forgotten.length > 0) {
    await queues.redis
      .multi()
      .zrem(slotsKey(queues), ...forgotten)
      .hdel(skippedKey(queues), ...forgotten)
      .hdel(lastRunsKey(queues), ...forgotten)
      .exec();
  }

  const tasks = await Promise.all(
    config.schedule.map(async (entry) => {
      const task = taskOf(entry, (slot) =>
        fire(entry, slot, options).catch((error) =>
          log.warn({ schedule: entry.name, error: messageOf(error) }, "a scheduled run could not be queued"),
        ),
      );
      await task.start(); // first, so that no slot falls between what is made up and what is ticked
      await makeUp(entry, task, options);
      return task;
    }),
  );
  return async () => {
    for (const task of tasks) await task.destroy();
  };
}

/** What the schedule has done and will do. */
export function scheduleStates(config: Config, queues: Queues | undefined): Promise<ScheduleState[]> {
  return Promise.all(
    config.schedule.map(async (entry) => {
      const task = taskOf(entry, () => undefined);
      const next = task.getNextRuns(3).map((date) => date.toISOString());
      await task.destroy();
      const last = queues === undefined ? undefined : await lastOf(entry, queues);
      const skipped = queues === undefined ? undefined : await lastSkipOf(entry, queues);
      return { name: entry.name, cron: entry.cron, timezone: entry.timezone, last, skipped, next };
    }),
  );
}

async function lastOf(entry: ScheduleEntry, queues: Queues): Promise<ScheduleState["last"]> {
  const last = parseStored(lastRun, await queues.redis.hget(lastRunsKey(queues), entry.name));
  if (last === undefined) return undefined;
  const report = await loadReport(queues, last.run);
  if (report !== undefined) return { ...last, verdict: report.verdict };
  const job = await queues.runs.getJob(last.run);
  return job && { ...last, verdict: job.finishedOn === undefined ? "running" : "failed" };
}

/** Queues the run of a slot, unless somebody has, or the entry's last run still goes on. */
async function fire(
  entry: ScheduleEntry,
  slot: Date,
  { config, queues, log }: ScheduleOptions,
): Promise<void> {
  const hosts = [...new Set([config.host, ...(await knownHosts(queues))])].toSorted();
  const intent: Intent = intentSchema.parse({
    version: 1,
    flow: entry.flow,
    mode: "apply",
    ...(entry.jobs !== undefined && { jobs: entry.jobs }),
    schedule: entry.name,
    hosts,
    force: false,
    keepRedis: false,
  });
  const run = runIdOf(entry, slot.getTime());
  const at = slot.toISOString();
  const lastSkip = await lastSkipOf(entry, queues);
  const skips = lastSkip === undefined ? [] : [lastSkip.at, ...lastSkip.before];
  if (skips.includes(at)) return; // a slower worker must not run what was skipped
  const job = await queues.runs.add(entry.flow, intent, {
    ...PARENT_OPTIONS,
    jobId: run,
    deduplication: { id: `schedule ${entry.name}` },
  });
  const isFirst = (await queues.redis.zadd(slotsKey(queues), "GT", "CH", slot.getTime(), entry.name)) !== 0;
  if (job.id === run) {
    if (!isFirst) return;
    log.info({ schedule: entry.name, run }, "slot queued");
    await queues.redis.hset(lastRunsKey(queues), entry.name, JSON.stringify({ run, at }));
    return;
  }
  if (!isFirst) return;
  const skipped: SkippedSlot = {
    ...{ at, reason: `${job.id} was still going on` },
    before: skips.slice(0, SKIPS_KEPT),
  };
  await queues.redis.hset(skippedKey(queues), entry.name, JSON.stringify(skipped));
  log.info({ schedule: entry.name, run: job.id ?? "", at }, "slot skipped: the last run still goes on");
}

async function lastSkipOf({ name }: ScheduleEntry, queues: Queues): Promise<SkippedSlot | undefined> {
  const text = await queues.redis.hget(skippedKey(queues), name);
  return parseStored(skippedSlot, text);
}

/** The first time an entry is seen, nothing was missed: its past starts now. */
async function makeUp(entry: ScheduleEntry, task: ScheduledTask, options: ScheduleOptions): Promise<void> {
  const { queues, clock } = options;
  const { stepMs, backMs } =
    entry.cron.trim().split(/\s+/).length > 5 ? LOOK_BACK.seconds : LOOK_BACK.minutes;
  const nowMs = clock.now();
  const newestMs = Math.floor(nowMs / stepMs) * stepMs;
  const handledMs = await lastSlotMs(entry, queues);
  if (handledMs === undefined) {
    await queues.redis.zadd(slotsKey(queues), "NX", newestMs, entry.name);
    return;
  }
  const earliestMs = Math.max(handledMs + 1, nowMs - backMs);
  for (let ms = newestMs; ms >= earliestMs; ms -= stepMs) {
    if (task.match(new Date(ms))) return fire(entry, new Date(ms), options);
  }
}

async function lastSlotMs(entry: ScheduleEntry, queues: Queues): Promise<number | undefined> {
  const score = await queues.redis.zscore(slotsKey(queues), entry.name);
  return score === null ? undefined : Number(score);
}

function taskOf(
  { name, cron, timezone, maxRandomDelayMs }: ScheduleEntry,
  act: (slot: Date) => unknown,
): ScheduledTask {
  return createTask(cron, ({ date }) => act(date), {
    name,
    logger: SILENT,
    ...(timezone !== undefined && { timezone }),
    ...(maxRandomDelayMs > 0 && { maxRandomDelay: maxRandomDelayMs }),
  });
}

function runIdOf({ name }: ScheduleEntry, slotMs: number): string {
  return `run-${name}-${new Date(slotMs)
    .toISOString()
    .replace(/[-:]|\.\d+/g, "")
    .toLowerCase()}`;
}

function slotsKey(queues: Queues): string {
  return queues.key("slots");
}

function lastRunsKey(queues: Queues): string {
  return queues.key("last-runs");
}

function skippedKey(queues: Queues): string {
  return queues.key("skipped-slots");
}
