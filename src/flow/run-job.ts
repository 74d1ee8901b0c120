import type { Job, Log } from "../../jobs/job.ts";
import type { Config } from "../config/config.ts";
import { messageOf, SafeShutdownError } from "../errors.ts";
import { JobReporter, type JobResult, type Progress } from "../report/job-reporter.ts";
import type { Clock } from "../system/clock.ts";
import type { LimitedRule, Rehearsed } from "../system/quota.ts";
import { openWorld, type WorldOptions } from "../system/world.ts";
import { AppQueues } from "./app-queues.ts";
import type { Catalog } from "./catalog.ts";
import type { Task } from "./intent.ts";

/** Why a job was told to stop before its end. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}

/** Where a job runs. */
export interface JobEnvironment {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** The report of the attempt before this one. */
  readonly earlier?: JobReporter | undefined;
  /** Takes the report so far when the job is to be tried again; absent: whatever happens is its end. */
  readonly tryAgain?: ((report: JobReporter) => void) | undefined;
}

/**
 * Runs one job in this process, with the config of this process. Both engines call this.
 * A refusal and a cancellation are results. Any other exception is thrown where the job is to be tried again, and else
 * is a result too, with what was done before it; one after `signal` was aborted for another reason than `Cancelled`
 * is always thrown.
 */
export async function runJob(task: Task, job: Job, environment: JobEnvironment): Promise<JobResult> {
  const { config, catalog, clock, signal, onProgress } = environment;
  const startedAtMs = clock.elapsed();
  const { earlier, tryAgain } = environment;
  const report = new JobReporter(task.job, config.host, onProgress);
  if (earlier !== undefined) report.carryOver(earlier);
  try {
    const rehearsed = await rehearse(task, job, environment);
    await perform(task, job, report, environment, {
      rehearsed,
      presumeStopped: presumptionOf(task, catalog),
    });
    return report.finish(clock.elapsed() - startedAtMs);
  } catch (error) {
    const isInterrupted = signal.aborted && !(signal.reason instanceof Cancelled);
    const ending = isInterrupted ? undefined : endingOf(error, report, tryAgain !== undefined);
    if (ending !== undefined) return report.finish(clock.elapsed() - startedAtMs, ending);
    tryAgain?.(report);
    throw error;
  }
}

/** Runs a job on a world of its own; answers how many candidates each rule had. */
async function perform(
  task: Task,
  job: Job,
  report: JobReporter,
  { config, clock, log, signal }: JobEnvironment,
  expectations: Pick<WorldOptions, "presumeStopped" | "rehearsed">,
): Promise<Rehearsed> {
  const { run, mode, keepRedis, force } = task;
  const about = { run, job: task.job };
  const bound = logWith(log, { ...about, host: config.host });
  const tell = (what: string) => bound.warn({}, what);
  const world = await openWorld({ ...about, config, mode, keepRedis, signal, clock, tell, ...expectations });
  const queues = new AppQueues({ config, quota: world.keyQuota, mode, clock, signal });
  try {
    await job.run({ force, keepRedis }, { config, ...world, queues, report, log: bound, signal });
    const landslide = mode === "plan" ? world.landslide() : undefined;
    if (landslide !== undefined) throw new SafeShutdownError("refused", landslide);
    return world.candidates();
  } finally {
    await world.close();
  }
}

const UNLIMITED = { files: Number.POSITIVE_INFINITY, keys: Number.POSITIVE_INFINITY, bytes: undefined };

/**
 * Where the share of what may go is limited, the job is run as a plan first: only then is it known how much there is
 * and how much of it would go. Throws `refused` when it is too much; by then nothing was removed.
 */
async function rehearse(task: Task, job: Job, environment: JobEnvironment): Promise<Rehearsed | undefined> {
  const { config } = environment;
  if (task.mode === "plan" || !isShareLimited(task, config)) return undefined;
  const report = new JobReporter(task.job, config.host);
  const unlimited = { ...environment, config: { ...config, limits: UNLIMITED } };
  return perform({ ...task, mode: "plan" }, job, report, unlimited, { presumeStopped: undefined });
}

function isShareLimited({ job }: Task, { locks, temp, quarantine, redis }: Config): boolean {
  const rules: Partial<Record<string, readonly LimitedRule[]>> = {
    "clean-session-locks": locks,
    "clean-temp-files": [...temp, quarantine],
    "prune-redis": redis.prune,
  };
  return rules[job]?.some(({ sharePercent = 100 }) => sharePercent < 100) ?? false;
}

/** The jobs that a service still running would keep from something. */
const LOOKS_AT_PROCESSES: readonly string[] = ["clean-session-locks", "clean-temp-files"];

/** In a plan, a job after `stop-services` must see the world as that would have left it. */
function presumptionOf({ flow, mode, force, job }: Task, { flows }: Catalog): { force: boolean } | undefined {
  const stage = flows[flow].findIndex((jobs) => jobs.includes(job)); // here: the asker may have other own jobs
  const before = flows[flow].slice(0, Math.max(stage, 0)).flat();
  const isAfterStop = mode === "plan" && before.includes("stop-services") && LOOKS_AT_PROCESSES.includes(job);
  return isAfterStop ? { force } : undefined;
}

/** `undefined`: it is to be tried again. */
function endingOf(
  error: unknown,
  report: JobReporter,
  mayTryAgain: boolean,
): Parameters<JobReporter["finish"]>[1] {
  if (error instanceof Cancelled) return { status: "partial", reason: "cancelled" };
  const code = error instanceof SafeShutdownError ? error.code : undefined;
  const reason = messageOf(error);
  if (code === "refused") return { status: "partial", reason, refused: true };
  if (mayTryAgain) return undefined;
  if (code === "redis-unreachable") return { status: report.isEmpty ? "skipped" : "partial", reason };
  return { status: "failed", reason };
}

/** What a job logs says which job it was. */
function logWith(log: Log, about: object): Log {
  return {
    info: (facts, message) => log.info({ ...about, ...facts }, message),
    warn: (facts, message) => log.warn({ ...about, ...facts }, message),
  };
}
