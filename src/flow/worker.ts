import {
  type Job,
  type Processor,
  UnrecoverableError,
  WaitingError,
  Worker,
  type WorkerOptions,
} from "bullmq";
import { z } from "zod";
import { flowNames } from "../../jobs/flows.ts";
import type { Log } from "../../jobs/job.ts";
import type { Config } from "../config/config.ts";
import { formatDuration } from "../config/duration.ts";
import { withoutRunning } from "../report/assemble.ts";
import type { JobResult, Progress } from "../report/job-reporter.ts";
import { type Clock, every, settlesWithin } from "../system/clock.ts";
import type { RedisClient } from "../system/redis-client.ts";
import { openRedis } from "../system/redis-connection.ts";
import { isCancelled, watchCancel } from "./cancel.ts";
import { DEADLINE, deadlineSchema, endStage } from "./deadline.ts";
import { givenUpOf, reasonGivenUp } from "./given-up.ts";
import { beat, HEARTBEAT_MS, signOff, type WorkerInfo } from "./hosts.ts";
import { intentSchema, taskSchema } from "./intent.ts";
import { runParent } from "./parent.ts";
import { lifetimeOf, Queues, queueOf, REQUEST_VALID_MS, RUNS, WORKER_TIMING } from "./queues.ts";
import { runJob } from "./run-job.ts";

export interface MaintenanceWorkerOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly info: WorkerInfo;
  readonly onError: (error: Error) => void;
}

const PROGRESS_MS = 250;
const CLOSE_MS = 1_000;
/** In characters: a request may bring keys of any length. */
const LONGEST_REFUSAL = 500;

/** A worker that can be let go of while Redis is away, when its `close` never ends. */
class AbandonableWorker extends Worker {
  /** Ends what would keep the process alive: the timer of the locks, and connections that are tried again for ever. */
  async abandon(): Promise<void> {
    await this.lockManager.close();
    await this.disconnect();
  }
}

/** Why a job was interrupted to be run again. */
class Interrupted extends Error {}

/**
 * The maintenance worker: takes runs, and the jobs of this host, from the queue. It reconnects to Redis by
 * itself. Paths, patterns and commands come from its own config only.
 */
export class MaintenanceWorker {
  readonly #options: MaintenanceWorkerOptions;
  readonly #redis: RedisClient;
  readonly #queues: Queues;
  readonly #workers: AbandonableWorker[];
  readonly #stopBeating: () => void;
  #closing: Promise<void> | undefined;

  private constructor(options: MaintenanceWorkerOptions, redis: RedisClient, queues: Queues) {
    this.#options = options;
    this.#redis = redis;
    this.#queues = queues;
    this.#workers = [
      this.#listen(RUNS, (job, token, signal) => this.#processRun(job, token, signal)),
      this.#listen(queueOf(options.config.host), (job, token, signal) =>
        this.#processTask(job, token, signal),
      ),
    ];
    this.#stopBeating = every(HEARTBEAT_MS, () => {
      beat(queues, options.info, options.clock.now()).catch(options.onError);
    });
  }

  /** Starts working. Resolves when the worker is known to be alive and listens. */
  static async start(options: MaintenanceWorkerOptions): Promise<MaintenanceWorker> {
    const { config, clock, info, onError } = options;
    const redis = openRedis(config.queue.url, onError);
    const queues = new Queues(redis, config.app, onError);
    try {
      await queues.open(queueOf(config.host)).close(); // bounds its stream
      await beat(queues, info, clock.now());
      const worker = new MaintenanceWorker(options, redis, queues);
      await Promise.all(worker.#workers.map((one) => one.waitUntilReady()));
      return worker;
    } catch (error) {
      redis.disconnect(); // what tries again for ever would keep the process alive
      throw error;
    }
  }

  /** The queues it works on, for the schedule. */
  get queues(): Queues {
    return this.#queues;
  }

  /**
   * Takes no new job, lets the current ones finish for the grace period, then interrupts them: another worker
   * runs them again. Always resolves, soon after the grace period, also while Redis is away.
   */
  close(graceMs = this.#options.config.workerGraceMs): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  /** Tells others that this worker takes no job any more. */
  signOff(): Promise<void> {
    this.#stopBeating();
    return signOff(this.#queues, this.#options.info);
  }

  async #close(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    const signedOff = settlesWithin(this.signOff(), CLOSE_MS, clock);
    const closed = Promise.allSettled(this.#workers.map((worker) => worker.close()));
    let isClosed = await settlesWithin(closed, graceMs, clock);
    if (!isClosed) {
      for (const worker of this.#workers) worker.cancelAllJobs("the worker is stopping");
      isClosed = await settlesWithin(closed, CLOSE_MS, clock);
    }
    await signedOff;
    await settlesWithin(this.#queues.close(), CLOSE_MS, clock);
    if (!isClosed) {
      const abandoned = Promise.allSettled(this.#workers.map((worker) => worker.abandon()));
      await settlesWithin(abandoned, CLOSE_MS, clock);
    }
    this.#redis.disconnect();
  }

  #listen(queue: string, process: Processor): AbandonableWorker {
    const options: WorkerOptions = {
      connection: this.#redis,
      prefix: this.#queues.prefix,
      concurrency: 8,
      skipVersionCheck: true,
      // a run survives several crashes of its workers; a job is repeated as often
      maxStalledCount: 10,
      ...WORKER_TIMING,
    };
    // BullMQ passes the signal only to a function that names three parameters
    const worker = new AbandonableWorker(queue, (job, token, signal) => process(job, token, signal), options);
    worker.on("error", this.#options.onError);
    worker.on("lockRenewalFailed", (ids) => {
      for (const id of ids) worker.cancelJob(id, "the job's lock was lost");
    });
    return worker;
  }

  async #processRun(job: Job, token = "", signal?: AbortSignal): Promise<unknown> {
    const { config, clock, log } = this.#options;
    if (job.name === DEADLINE) {
      const { run, stage } = parse(deadlineSchema, job.data);
      return endStage(this.#queues, run, stage, config.stageDeadlineMs);
    }
    const isRun = flowNames.some((name) => name === job.name);
    if (!isRun) return this.#processTask(job, token, signal);
    const intent = parse(intentSchema, job.data);
    if (job.attemptsStarted <= 1 && clock.now() - job.timestamp > REQUEST_VALID_MS) {
      throw new UnrecoverableError(
        `refused: requested ${formatDuration(clock.now() - job.timestamp)} ago, and no worker was there to run it`,
      );
    }
    const { run, verdict, durationMs } = await runParent(job, token, intent, {
      queues: this.#queues,
      config,
      clock,
    });
    log.info({ run, flow: intent.flow, mode: intent.mode, verdict, durationMs }, "run ended");
    return { verdict };
  }

  async #processTask(job: Job, token = "", signal?: AbortSignal): Promise<JobResult> {
    const { config, clock, log } = this.#options;
    const task = parse(taskSchema, job.data);
    if (task.host !== undefined && task.host !== config.host) {
      throw new UnrecoverableError(`a job for ${task.host} was put into the queue of ${config.host}`);
    }
    if (clock.now() - job.timestamp > lifetimeOf(config)) {
      const ago = formatDuration(clock.now() - job.timestamp);
      return withoutRunning(task.job, config.host, "failed", `it was asked for ${ago} ago: too late`);
    }
    const givenUp = reasonGivenUp(await givenUpOf(this.#queues, task.run), task.host);
    if (givenUp !== undefined) return withoutRunning(task.job, config.host, "missing", givenUp);
    if (await isCancelled(this.#queues, task.run)) {
      return withoutRunning(task.job, config.host, "skipped", "the run was cancelled before");
    }
    const cancel = watchCancel(this.#queues, task.run);
    const interrupt = new AbortController();
    signal?.addEventListener("abort", () => interrupt.abort(new Interrupted(String(signal.reason))));
    const stopped = AbortSignal.any([cancel.signal, interrupt.signal]);
    try {
      const onProgress = throttle(PROGRESS_MS, clock, (progress: Progress) => {
        job.updateProgress(progress).catch(() => undefined);
      });
      const about = { run: task.run, job: task.job, host: config.host, mode: task.mode };
      log.info(about, "job begins");
      const result = await runJob(task, { config, clock, log, signal: stopped, onProgress });
      const { status, reason, durationMs, totals } = result.report;
      log.info(
        { ...about, status, ...(reason !== undefined && { reason }), durationMs, ...totals },
        "job ended",
      );
      await job.updateProgress({ totals }).catch(() => undefined);
      return result;
    } catch (error) {
      if (!(stopped.reason instanceof Interrupted)) throw error;
      await job.moveToWait(token);
      throw new WaitingError();
    } finally {
      cancel.stop();
    }
  }
}

/** What is refused once is never tried again, however many attempts the request asks for. */
function parse<T>(schema: z.ZodType<T>, data: unknown): T {
  const { data: parsed, error } = schema.safeParse(data);
  if (error === undefined) return parsed;
  throw new UnrecoverableError(`refused: ${z.prettifyError(error).slice(0, LONGEST_REFUSAL)}`);
}

/** Calls at most once in `ms`; what comes sooner is dropped, since the next report says it too. */
function throttle<T>(ms: number, clock: Clock, act: (value: T) => void): (value: T) => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (value) => {
    if (clock.now() - lastMs < ms) return;
    lastMs = clock.now();
    act(value);
  };
}
