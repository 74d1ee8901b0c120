import { createTask, type Logger, type ScheduledTask } from "node-cron";
import type { Log } from "../../jobs/job.ts";
import type { Config, ScheduleEntry } from "../config/config.ts";
import { messageOf } from "../errors.ts";
import type { RunReport } from "../report/report.ts";
import type { Clock } from "../system/clock.ts";
import { loadReport } from "./history.ts";
import { liveWorkers } from "./hosts.ts";
import { type Intent, intentSchema } from "./intent.ts";
import { PARENT_OPTIONS, type Queues } from "./queues.ts";

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

/** node-cron's own log lines say nothing that ours do not. */
const SILENT: Logger = { info() {}, warn() {}, error() {}, debug() {} };

export interface ScheduleOptions {
  readonly config: Config;
  readonly queues: Queues;
  readonly clock: Clock;
  readonly log: Log;
}

/** An entry with its past and its future. */
export interface ScheduleState {
  readonly name: string;
  readonly cron: string;
  /** `undefined`: the time zone of this process. */
  readonly timezone: string | undefined;
  readonly last: { readonly run: string; readonly at: string; readonly verdict: string } | undefined;
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
  if (forgotten.length > 0) await queues.redis.zrem(slotsKey(queues), ...forgotten);

  const tasks = await Promise.all(
    config.schedule.map(async (entry) => {
      const task = taskOf(entry, (slot) =>
        fire(entry, slot, options).catch((error) =>
          log.warn({ schedule: entry.name, error: messageOf(error) }, "a scheduled run could not be queued"),
        ),
      );
      await makeUp(entry, task, options);
      await task.start();
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
      return { name: entry.name, cron: entry.cron, timezone: entry.timezone, last, next };
    }),
  );
}

async function lastOf(entry: ScheduleEntry, queues: Queues): Promise<ScheduleState["last"]> {
  const slotMs = await lastSlotMs(entry, queues);
  if (slotMs === undefined) return undefined;
  const run = runIdOf(entry, slotMs);
  const report: RunReport | undefined = await loadReport(queues, run);
  const isKnown = report !== undefined || (await queues.runs.getJob(run)) !== undefined;
  if (!isKnown) return undefined;
  return { run, at: new Date(slotMs).toISOString(), verdict: report?.verdict ?? "running" };
}

/** Queues the run of a slot, unless somebody has, or the entry's last run still goes on. */
async function fire(
  entry: ScheduleEntry,
  slot: Date,
  { config, queues, log }: ScheduleOptions,
): Promise<void> {
  const others = (await liveWorkers(queues)).filter(({ isCommand }) => !isCommand);
  const hosts = [...new Set([config.host, ...others.map(({ host }) => host)])].toSorted();
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
  const job = await queues.runs.add(entry.flow, intent, {
    ...PARENT_OPTIONS,
    jobId: run,
    deduplication: { id: `schedule ${entry.name}` },
  });
  await queues.redis.zadd(slotsKey(queues), "GT", slot.getTime(), entry.name);
  if (job.id === run) log.info({ schedule: entry.name, run }, "slot queued");
  else log.info({ schedule: entry.name, run: job.id ?? "" }, "slot skipped: the last run still goes on");
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
