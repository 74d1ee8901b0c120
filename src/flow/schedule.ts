import type { Log } from "../../jobs/job.ts";
import type { Config, ScheduleEntry } from "../config/config.ts";
import { redactText } from "../config/redact.ts";
import { messageOf } from "../errors.ts";
import { LOOK_BACK_MS, lastSlotOf, nextSlotsOf, tickerOf } from "./cron.ts";
import { loadReport } from "./history.ts";
import { knownHosts, liveWorkers } from "./hosts.ts";
import { type Intent, intentSchema } from "./intent.ts";
import type { Place } from "./lifetime.ts";
import type { Queues } from "./queues.ts";
import {
  beginAt,
  forgetAllBut,
  type LastRun,
  lastHandledMs,
  lastRunOf,
  lastSkipOf,
  markHandled,
  noteRun,
  noteSkip,
  type SkippedSlot,
  skipsOf,
} from "./slots.ts";
import { submitRun } from "./submission.ts";

/*
 * Every worker ticks. The id of a scheduled run holds the time of its slot, so however many workers tick, a slot
 * has one run; a run still going when the next slot comes keeps its place.
 */

/** A slot that Redis does not take is tried again for so long, after rests that grow. */
const PATIENCE_MS = 10 * 60_000;
const FIRST_REST_MS = 1_000;
const LONGEST_REST_MS = 30_000;

export interface ScheduleOptions extends Place {
  readonly config: Config;
  readonly queues: Queues;
  readonly log: Log;
}

/** An entry with its past and its future. */
export interface ScheduleState {
  readonly name: string;
  readonly cron: string;
  /** `undefined`: the time zone of this process. */
  readonly timezone: string | undefined;
  /** `undefined`: there was none; `null`: Redis, which would know, cannot be reached. */
  readonly last: (LastRun & { readonly verdict: string }) | null | undefined;
  /** The newest slot that had no run of its own, and why. */
  readonly skipped: SkippedSlot | undefined;
  /** ISO 8601. */
  readonly next: readonly string[];
}

/** Fires the schedule until stopped; first makes up for what was missed. */
export async function startSchedule(options: ScheduleOptions): Promise<() => Promise<void>> {
  const { config, queues } = options;
  if (await isOnlyConfig(options)) {
    await forgetAllBut(
      queues,
      config.schedule.map(({ name }) => name),
    );
  }
  const over = new AbortController();
  const tasks = await Promise.all(
    config.schedule.map(async (entry) => {
      const task = tickerOf(entry, (slot) => firePatiently(entry, slot, options, over.signal));
      await task.start(); // first, so that no slot falls between what is made up and what is ticked
      await makeUp(entry, options, over.signal);
      return task;
    }),
  );
  return async () => {
    over.abort();
    for (const task of tasks) await task.destroy();
  };
}

/** What the schedule has done and will do. */
export function scheduleStates(config: Config, queues: Queues | undefined): Promise<ScheduleState[]> {
  return Promise.all(
    config.schedule.map(async (entry) => {
      const { name, cron, timezone } = entry;
      const next = (await nextSlotsOf(entry, 3)).map((date) => date.toISOString());
      const last = queues === undefined ? null : await lastOf(entry, queues);
      const skipped = queues && (await lastSkipOf(queues, name));
      return { name, cron, timezone, last, skipped, next };
    }),
  );
}

/** Entries that another live worker has in its own config are not forgotten. */
async function isOnlyConfig({ config, queues, clock }: ScheduleOptions): Promise<boolean> {
  const workers = await liveWorkers(queues, clock.now());
  return workers.every((worker) => worker.isCommand || worker.fingerprint === config.fingerprint);
}

async function lastOf({ name }: ScheduleEntry, queues: Queues): Promise<ScheduleState["last"]> {
  const last = await lastRunOf(queues, name);
  if (last === undefined) return undefined;
  const report = await loadReport(queues, last.run);
  if (report !== undefined) return { ...last, verdict: report.verdict };
  const job = await queues.runs.getJob(last.run);
  return job && { ...last, verdict: job.finishedOn === undefined ? "running" : "failed" };
}

async function makeUp(entry: ScheduleEntry, options: ScheduleOptions, signal: AbortSignal): Promise<void> {
  const { queues, clock } = options;
  const nowMs = clock.now();
  const handledMs = await lastHandledMs(queues, entry.name);
  if (handledMs === undefined) return beginAt(queues, entry.name, nowMs);
  const slot = await lastSlotOf(entry, Math.max(handledMs + 1, nowMs - LOOK_BACK_MS), nowMs);
  if (slot !== undefined) void firePatiently(entry, slot, options, signal);
}

/** A Redis that is away or refuses at the moment of a slot does not lose it. */
async function firePatiently(
  entry: ScheduleEntry,
  slot: Date,
  options: ScheduleOptions,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = options;
  const about = { schedule: entry.name, at: slot.toISOString() };
  const startedAtMs = clock.elapsed();
  for (let restMs = FIRST_REST_MS; !signal.aborted; restMs = Math.min(2 * restMs, LONGEST_REST_MS)) {
    try {
      const isTriedAgain = restMs > FIRST_REST_MS;
      if (isTriedAgain && (await isOvertaken(entry, slot, options))) return await skip(entry, slot, options);
      return await fire(entry, slot, options);
    } catch (error) {
      const facts = { ...about, error: redactText(messageOf(error)) };
      if (clock.elapsed() - startedAtMs > PATIENCE_MS)
        return log.warn(facts, "slot lost: it could not be queued for ten minutes");
      log.warn({ ...facts, restMs }, "a scheduled run could not be queued: it is tried again");
      await clock.sleep(restMs, signal);
    }
  }
}

/** What is made up is the newest slot only. */
async function isOvertaken(
  { name }: ScheduleEntry,
  slot: Date,
  { queues }: ScheduleOptions,
): Promise<boolean> {
  const handledMs = await lastHandledMs(queues, name);
  return handledMs !== undefined && handledMs > slot.getTime();
}

/** Nobody has run it, unless another worker did, or this one without being told so. */
async function skip(entry: ScheduleEntry, slot: Date, { queues, log }: ScheduleOptions): Promise<void> {
  const at = slot.toISOString();
  if ((await queues.runs.getJob(runIdOf(entry, slot.getTime()))) !== undefined) return;
  const reason = "it could not be queued before a later one";
  if (await noteSkip(queues, entry.name, at, reason))
    log.warn({ schedule: entry.name, at }, `slot skipped: ${reason}`);
}

/** Queues the run of a slot, unless somebody has, or the entry's last run still goes on. */
async function fire(entry: ScheduleEntry, slot: Date, options: ScheduleOptions): Promise<void> {
  const { config, queues, clock, log } = options;
  const { name } = entry;
  const at = slot.toISOString();
  if ((await skipsOf(queues, name)).includes(at)) return; // a slower worker must not run what was skipped
  const run = runIdOf(entry, slot.getTime());
  const intent = intentOf(entry, config, await knownHosts(queues, clock.now()));
  const going = await submitRun(queues, run, intent, options);
  const isFirst = await markHandled(queues, name, slot.getTime());
  if (going === run) {
    if (isFirst) log.info({ schedule: name, run }, "slot queued");
    const last = await lastRunOf(queues, name);
    return last === undefined || last.at < at ? noteRun(queues, name, { run, at }) : undefined;
  }
  // a worker whose clock is ahead may have handled a later one already: this one was run before, or is told as skipped
  if (!isFirst && (await queues.runs.getJob(run)) !== undefined) return;
  if (!(await noteSkip(queues, name, at, `${going} was still going on`))) return;
  log.info({ schedule: name, run: going, at }, "slot skipped: the last run still goes on");
}

function intentOf({ name, flow, jobs }: ScheduleEntry, config: Config, known: readonly string[]): Intent {
  return intentSchema.parse({
    version: 1,
    flow,
    mode: "apply",
    ...(jobs !== undefined && { jobs }),
    schedule: name,
    hosts: [...new Set([config.host, ...known])].toSorted(),
    force: false,
    keepRedis: false,
  });
}

function runIdOf({ name }: ScheduleEntry, slotMs: number): string {
  const at = new Date(slotMs).toISOString().replace(/[-:]|\.\d+/g, "");
  return `run-${name}-${at.toLowerCase()}`;
}
