import { type Job, UnrecoverableError, WaitingError } from "bullmq";
import { withoutRunning } from "../report/assemble.ts";
import type { JobReporter, JobResult, Progress } from "../report/job-reporter.ts";
import type { JobStatus } from "../report/report.ts";
import { parseProgress } from "../report/report-schema.ts";
import type { Clock } from "../system/clock.ts";
import { isCancelled, watchCancel } from "./cancel.ts";
import { idOf } from "./children.ts";
import { givenUpOf, reasonGivenUp } from "./given-up.ts";
import { type Task, taskSchema } from "./intent.ts";
import { tooLate } from "./lifetime.ts";
import { type Post, parseOrRefuse, refuse } from "./post.ts";
import { runJob } from "./run-job.ts";

const PROGRESS_MS = 250;
/** How often a job that threw is tried again, after 1, 2 and 4 s; its attempts in the queue are more. */
const TRIES_AGAIN = 3;

/** Why a job was interrupted to be run again. */
class Interrupted extends Error {}

/**
 * Does one job of a run, or says why not. Throws what makes BullMQ refuse it for good, try it again, or, when
 * `signal` aborts because the worker must stop, put it back for another worker.
 */
export async function takeTask(post: Post, job: Job, token = "", signal?: AbortSignal): Promise<JobResult> {
  const { config, catalog, clock, log } = post;
  const task = parseOrRefuse(taskSchema, job.data);
  if (task.host !== undefined && task.host !== config.host) {
    throw new UnrecoverableError(`a job for ${task.host} was put into the queue of ${config.host}`);
  }
  const definition = catalog.jobs.get(task.job);
  if (definition === undefined) throw refuse(`the config of ${config.host} knows no job ${task.job}`);
  const before = post.results.get(idOf(job));
  if (before !== undefined) return before; // done here, but Redis did not take the result
  const instead = await resultInstead(post, task, job);
  if (instead !== undefined) return instead;

  const cancel = watchCancel(post.queues, task.run);
  const interrupt = new AbortController();
  const heed = () => interrupt.abort(new Interrupted(String(signal?.reason)));
  signal?.addEventListener("abort", heed);
  if (signal?.aborted) heed(); // while it was asked above whether to run at all
  const stopped = AbortSignal.any([cancel.signal, interrupt.signal]);
  const about = { run: task.run, job: task.job, host: config.host };
  try {
    const onProgress = throttle(PROGRESS_MS, clock, (progress: Progress) => {
      job.updateProgress(progress).catch(() => undefined); // the next one says it too
    });
    log.info({ ...about, mode: task.mode }, "job begins");
    const id = idOf(job);
    const isLast = job.attemptsMade >= TRIES_AGAIN || job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
    const tryAgain = isLast ? undefined : (report: JobReporter) => void post.unfinished.set(id, report);
    const result = await runJob(task, definition, {
      ...{ earlier: post.unfinished.get(id), tryAgain },
      config,
      catalog,
      clock,
      log,
      signal: stopped,
      onProgress,
    });
    const { status, reason, durationMs, totals } = result.report;
    log.info(
      { ...about, status, ...(reason !== undefined && { reason }), durationMs, ...totals },
      "job ended",
    );
    post.unfinished.delete(id);
    post.results.set(id, result);
    await job.updateProgress({ totals }).catch(() => undefined);
    return result;
  } catch (error) {
    if (!(stopped.reason instanceof Interrupted)) throw error;
    log.warn({ ...about, because: stopped.reason.message }, "job interrupted: it will be run again");
    await job.moveToWait(token);
    throw new WaitingError();
  } finally {
    cancel.stop();
  }
}

/** What comes too late, or for a host or a run that was given up, is not begun; what had begun before says so. */
async function resultInstead(post: Post, task: Task, job: Job): Promise<JobResult | undefined> {
  const { queues, config } = post;
  const hasBegun = job.attemptsStarted > 1; // this time counts
  const earlier = post.unfinished.get(idOf(job));
  const instead = (status: JobStatus, reason: string) => {
    if (earlier !== undefined) return earlier.finish(0, { status, reason });
    const without = withoutRunning(task.job, config.host, status, reason);
    return hasBegun ? cutOff(without, job.progress) : without;
  };
  const late = tooLate({ flow: task.flow, askedAtMs: job.timestamp, hasBegun: true }, post);
  if (late !== undefined) return instead("failed", late);
  const givenUp = reasonGivenUp(await givenUpOf(queues, task.run), task.host);
  if (givenUp !== undefined) return instead("missing", givenUp);
  if (!(await isCancelled(queues, task.run))) return undefined;
  return hasBegun
    ? instead("partial", "the run was cancelled")
    : instead("skipped", "the run was cancelled before");
}

/** Of a job that a worker had begun, and did not end: what it had told by then. It may have done more. */
function cutOff(result: JobResult, lastWord: unknown): JobResult {
  const { report } = result;
  const progress = parseProgress(JSON.stringify(lastWord));
  const waiting =
    progress?.waitingFor === undefined ? "" : `; the last it told: waiting for ${progress.waitingFor}`;
  const reason = `${report.reason}; it had begun and was interrupted: what it did by then is not all known here${waiting}`;
  return { ...result, report: { ...report, reason, totals: progress?.totals ?? report.totals } };
}

/** Calls at most once in `ms`; what comes sooner is dropped, since the next report says it too. */
function throttle<T>(ms: number, clock: Clock, act: (value: T) => void): (value: T) => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (value) => {
    if (clock.elapsed() - lastMs < ms) return;
    lastMs = clock.elapsed();
    act(value);
  };
}
