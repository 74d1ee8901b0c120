/**
 * safe-shutdown from code: the same runs as from the command line.
 *
 * ```ts
 * const scraper = await connect({ root: "/srv/scraper" });
 * const run = await scraper.start("shutdown", { mode: "plan" });
 * const report = await run.report();
 * await scraper.close();
 * ```
 */
import { pino } from "pino";
import type { Log } from "../jobs/job.ts";
import type { Application } from "./flow/application.ts";
import { openApplication } from "./flow/open.ts";

export interface ConnectOptions {
  /** The application's root. Default: the current directory. */
  readonly root?: string;
  /** An absolute path. Default: `safe-shutdown.yaml` in the root or its `config/`, else the built-in policy. */
  readonly configFile?: string;
  /** This host's name. Default: the hostname. */
  readonly host?: string;
  /** Instead of the config's `redis.url` and of `SAFE_SHUTDOWN_REDIS_URL`. */
  readonly redisUrl?: string;
  /** Where jobs log to; a pino logger fits. Default: nowhere. */
  readonly log?: Log;
}

/**
 * Loads the config of an application. Nothing is connected before it is needed; `close` lets go of everything.
 * Throws a `SafeShutdownError`: `refused` for the root, `config-invalid` with all `problems` at once.
 */
export async function connect(options: ConnectOptions = {}): Promise<Application> {
  const { log = pino({ enabled: false }), ...rest } = options;
  return (await openApplication({ ...rest, log })).application;
}

export type { FlowName } from "../jobs/flows.ts";
export { defineJob, type Job, type JobContext, type JobDefinition, type Log } from "../jobs/job.ts";
export type { JobName } from "../jobs/registry.ts";
export type { Config } from "./config/config.ts";
export { type ErrorCode, exitCodeOf, type Problem, SafeShutdownError } from "./errors.ts";
export type { Application, StartOptions } from "./flow/application.ts";
export { follow, type RunEvent } from "./flow/events.ts";
export type { GoingRun } from "./flow/going-on.ts";
export type { RunSummary } from "./flow/history.ts";
export type { KnownHost, WorkerInfo } from "./flow/hosts.ts";
export { type QueuedRequest, type RequestOptions, requestOf } from "./flow/request.ts";
export type { FollowOptions, Run } from "./flow/run.ts";
export type { ScheduleState } from "./flow/schedule-states.ts";
export type { RunView, TaskView } from "./flow/view.ts";
export { exitCodeOfRun } from "./report/exit-code.ts";
export type {
  Item,
  JobReport,
  JobStatus,
  Mode,
  Outcome,
  RunReport,
  System,
  Totals,
  Verdict,
} from "./report/report.ts";
