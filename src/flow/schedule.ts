import type { Log } from "../../jobs/job.ts";
import type { Config, ScheduleEntry } from "../config/config.ts";
import { redactText } from "../config/redact.ts";
import { messageOf } from "../errors.ts";
import { LOOK_BACK_MS, lastSlotOf, tickerOf } from "./cron.ts";
import { HEARTBEAT_GONE_MS, knownHosts, liveWorkers } from "./hosts.ts";
import { type Intent, intentSchema } from "./intent.ts";
import type { Place } from "./lifetime.ts";
import type { Queues } from "./queues.ts";
import {
  beginAt,
  forgetAllBut,
  lastHandledMs,
  lastRunOf,
  markHandled,
  noteRun,
  noteSkip,
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

/** Slots that come faster than that do not each complain. */
const QUIET_MS = 30_000;

export interface ScheduleOptions extends Place {
  readonly config: Config;
  readonly queues: Queues;
  readonly log: Log;
  /** Ends it. */
  readonly signal: AbortSignal;
}

interface Firing extends ScheduleOptions {
  /** When it was told last that slots of an entry could not be queued. */
  readonly told: Map<string, number>;
}

/** Fires the schedule until the signal; resolves when it ticks, and what was missed is known. */
export async function startSchedule(options: ScheduleOptions): Promise<void> {
  const { config, signal } = options;
  if (!(await forgetGone(options))) void forgetGoneLater(options);
  if (signal.aborted) return;
  const about: Firing = { ...options, told: new Map() };
  const tickers = config.schedule.map((entry) =>
    tickerOf(entry, (slot) => firePatiently(entry, slot, about)),
  );
  signal.addEventListener("abort", () => tickers.forEach((ticker) => void ticker.destroy()));
  await Promise.all(tickers.map((ticker) => ticker.start())); // first, so that no slot falls between what is made up and what is ticked
  await Promise.all(config.schedule.map((entry) => makeUp(entry, about)));
}

/** Entries that are in no config any more; those that another live worker has in its own are not: then it answers `false`. */
async function forgetGone({ config, queues, clock }: ScheduleOptions): Promise<boolean> {
  const workers = await liveWorkers(queues, clock.now());
  const isOnly = workers.every((worker) => worker.isCommand || worker.fingerprint === config.fingerprint);
  if (isOnly)
    await forgetAllBut(
      queues,
      config.schedule.map(({ name }) => name),
    );
  return isOnly;
}

/** The other may have been a heartbeat of before the config was changed. */
async function forgetGoneLater(options: ScheduleOptions): Promise<void> {
  const { signal } = options;
  await options.clock.sleep(HEARTBEAT_GONE_MS, signal);
  if (!signal.aborted) await forgetGone(options).catch(() => undefined); // the next start forgets it
}

async function makeUp(entry: ScheduleEntry, options: Firing): Promise<void> {
  const { queues, clock } = options;
  const nowMs = clock.now();
  const handledMs = await lastHandledMs(queues, entry.name);
  if (handledMs === undefined) return beginAt(queues, entry.name, nowMs);
  const slot = await lastSlotOf(entry, Math.max(handledMs + 1, nowMs - LOOK_BACK_MS), nowMs);
  if (slot !== undefined) void firePatiently(entry, slot, options);
}

/** A Redis that is away or refuses at the moment of a slot does not lose it. */
async function firePatiently(entry: ScheduleEntry, slot: Date, options: Firing): Promise<void> {
  const { clock, log, signal, told } = options;
  const about = { schedule: entry.name, at: slot.toISOString() };
  const startedAtMs = clock.elapsed();
  for (let restMs = FIRST_REST_MS; !signal.aborted; restMs = Math.min(2 * restMs, LONGEST_REST_MS)) {
    try {
      const isTriedAgain = restMs > FIRST_REST_MS;
      if (isTriedAgain && (await isOvertaken(entry, slot, options))) return await skip(entry, slot, options);
      return await fire(entry, slot, options);
    } catch (error) {
      if (signal.aborted) return;
      const facts = { ...about, error: redactText(messageOf(error)) };
      if (clock.elapsed() - startedAtMs > PATIENCE_MS)
        return log.warn(facts, "slot lost: it could not be queued for ten minutes");
      if (clock.elapsed() - (told.get(entry.name) ?? Number.NEGATIVE_INFINITY) > QUIET_MS) {
        told.set(entry.name, clock.elapsed());
        log.warn({ ...facts, restMs }, "a scheduled run could not be queued: it is tried again");
      }
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
