import type { Log } from "../../jobs/job.ts";
import type { Config } from "../config/config.ts";
import { assemble, withoutRunning } from "../report/assemble.ts";
import type { JobResult, Progress } from "../report/job-reporter.ts";
import type { RunReport } from "../report/report.ts";
import type { Clock } from "../system/clock.ts";
import type { Catalog } from "./catalog.ts";
import { type Intent, nextStepsOf, type PlannedTask, stagesOf } from "./intent.ts";
import type { Done } from "./recent.ts";
import { runJob } from "./run-job.ts";
import { type RunView, type TaskView, viewOf } from "./view.ts";

export interface InlineOptions {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Log;
  /** Abort it with `Cancelled` to stop after the current items. */
  readonly signal: AbortSignal;
  readonly onView: (view: RunView) => void;
  /** What was done before, by the ids of the tasks: not done again. */
  readonly done?: Done;
  /** When that began. Default: now. */
  readonly startedAtMs?: number;
}

/** Runs the same stages and jobs in this process, on this host, without a queue. Never throws for a job. */
export async function runInline(run: string, intent: Intent, options: InlineOptions): Promise<RunReport> {
  const { config, catalog, clock, log, signal, onView, done, startedAtMs = clock.now() } = options;
  const stages = stagesOf(run, intent, catalog);
  const states = new Map<string, Pick<TaskView, "state" | "progress">>();
  const results: JobResult[] = [];
  for (const stage of stages) results.push(...(await Promise.all(stage.map(runTask))));
  return assemble(
    {
      run,
      flow: intent.flow,
      mode: intent.mode,
      engine: "inline",
      app: config.app,
      startedAt: new Date(startedAtMs).toISOString(),
      durationMs: clock.now() - startedAtMs,
      hosts: intent.hosts,
      unreachable: [],
      nextSteps: nextStepsOf(intent, config),
      cancelled: signal.aborted,
    },
    results,
  );

  async function runTask({ id, task, skip }: PlannedTask): Promise<JobResult> {
    const before = done?.get(id);
    if (before !== undefined) return before;
    if (skip !== undefined) return withoutRunning(task.job, config.host, "skipped", skip);
    if (signal.aborted)
      return withoutRunning(task.job, config.host, "skipped", "the run was cancelled before");
    const job = catalog.jobs.get(task.job);
    if (job === undefined) throw new Error(`there is no job ${task.job}`);
    show(id, "running");
    try {
      const onProgress = (progress: Progress) => show(id, "running", progress);
      return await runJob(task, job, { config, catalog, clock, log, signal, onProgress });
    } finally {
      show(id, "ended", states.get(id)?.progress);
    }
  }

  function show(id: string, state: TaskView["state"], progress?: Progress): void {
    states.set(id, { state, progress });
    onView(viewOf(run, stages, (task) => states.get(task) ?? { state: "waiting", progress: undefined }));
  }
}
