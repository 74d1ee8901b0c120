import { type Processor, Worker, type WorkerOptions } from "bullmq";
import type { Log } from "../../jobs/job.ts";
import type { Config } from "../config/config.ts";
import { formatDuration } from "../config/duration.ts";
import { SafeShutdownError } from "../errors.ts";
import type { JobResult } from "../report/job-reporter.ts";
import { type Clock, every, oneAtATime, settlesWithin } from "../system/clock.ts";
import type { RedisClient } from "../system/redis-client.ts";
import { openRedis } from "../system/redis-connection.ts";
import type { Catalog } from "./catalog.ts";
import { beat, HEARTBEAT_MS, signOff, type WorkerInfo } from "./hosts.ts";
import type { Post } from "./post.ts";
import { Queues, queueOf, RUNS, WORKER_TIMING } from "./queues.ts";
import { Recent } from "./recent.ts";
import { Refusals } from "./refusals.ts";
import { takeRun } from "./take-run.ts";
import { takeTask } from "./take-task.ts";

export interface MaintenanceWorkerOptions {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Log;
  readonly info: WorkerInfo;
  /** Told of all trouble with Redis, however often it comes. */
  readonly onError: (error: Error) => void;
}

const CLOSE_MS = 1_000;
/** A host that is not signed off is taken for dead, for a day: a Redis that is there, and slow, is waited for. */
const SIGN_OFF_MS = 5_000;

/** Deadlines are minutes: a clock that is wrong by less harms no run. */
const MINUTE_MS = 60_000;

/** Runs are judged by the clocks of those who ask for them and of those who take them up, as late or in time. */
async function warnOfWrongClock(redis: RedisClient, { clock, log }: MaintenanceWorkerOptions): Promise<void> {
  const theirs = await redis.time().catch(() => undefined); // a user may be allowed less: nothing depends on it
  if (theirs === undefined) return;
  const aheadMs = Math.round(clock.now() / MINUTE_MS - Number(theirs[0]) / 60) * MINUTE_MS;
  if (aheadMs === 0) return;
  const by = `${formatDuration(Math.abs(aheadMs))} ${aheadMs > 0 ? "ahead of" : "behind"}`;
  log.warn(
    { aheadMs },
    `the clock here is ${by} that of Redis: runs may be taken for too late, and hosts for dead; set both by NTP`,
  );
}

/** A worker that can be let go of while Redis is away, when its `close` never ends. */
class AbandonableWorker extends Worker {
  /** Ends what would keep the process alive: the timer of the locks, and connections that are tried again for ever. */
  async abandon(): Promise<void> {
    await this.lockManager.close();
    await this.disconnect();
  }
}

/**
 * The maintenance worker: takes runs, and the jobs of this host, from the queue. It reconnects to Redis by
 * itself, and rests while Redis refuses. Paths, patterns and commands come from its own config only.
 */
export class MaintenanceWorker {
  /** Resolves, with a last word, when Redis has refused for so long that somebody must look; the worker takes no job then. */
  readonly gaveUp: Promise<string>;
  /** What it did, by the ids of the tasks; a lasting worker remembers it only until Redis has taken it. */
  readonly results = new Recent<JobResult>();
  readonly #options: MaintenanceWorkerOptions;
  #info: WorkerInfo;
  readonly #redis: RedisClient;
  readonly #queues: Queues;
  readonly #workers: AbandonableWorker[];
  readonly #refusals: Refusals;
  readonly #stopBeating: () => void;
  /** Ends the schedule. */
  readonly #over = new AbortController();
  #closing: Promise<void> | undefined;
  #staying: Promise<void> | undefined;

  private constructor(options: MaintenanceWorkerOptions, redis: RedisClient, queues: Queues) {
    const { config, catalog, clock, log, info } = options;
    this.#options = options;
    this.#info = info;
    this.#redis = redis;
    this.#queues = queues;
    const post: Post = {
      config,
      catalog,
      queues,
      clock,
      log,
      results: this.results,
      unfinished: new Recent(),
    };
    this.#workers = [
      this.#listen(RUNS, (job, token, signal) => takeRun(post, job, token, signal)),
      this.#listen(queueOf(config.host), (job, token, signal) => takeTask(post, job, token, signal)),
    ];
    let giveUp: (lastWord: string) => void = () => {};
    this.gaveUp = new Promise((resolve) => {
      giveUp = resolve;
    });
    this.#refusals = new Refusals({
      ...{ clock, log },
      giveUp: (lastWord) => {
        this.#over.abort(); // nobody would run what it fires
        this.signOff().catch(options.onError); // nobody must count on it any more
        giveUp(lastWord);
      },
      rest: () => {
        for (const worker of this.#workers) void worker.pause(true);
      },
      resume: () => {
        for (const worker of this.#workers) worker.resume();
      },
    });
    this.#stopBeating = every(
      HEARTBEAT_MS,
      oneAtATime(() => beat(queues, this.#info, clock.now()).catch((error) => this.#hear(error))),
    );
  }

  /** Starts working. Resolves when the worker is known to be alive and listens. */
  static async start(options: MaintenanceWorkerOptions): Promise<MaintenanceWorker> {
    const { config, clock, info, onError } = options;
    const redis = await openRedis(config.queue.url, onError);
    const queues = new Queues(redis, config.app, onError);
    try {
      await queues.open(queueOf(config.host)).close(); // bounds its stream
      await beat(queues, info, clock.now());
      const worker = new MaintenanceWorker(options, redis, queues);
      await Promise.all(worker.#workers.map((one) => one.waitUntilReady()));
      await warnOfWrongClock(redis, options);
      return worker;
    } catch (error) {
      redis.disconnect(); // what tries again for ever would keep the process alive
      throw error;
    }
  }

  /** Whether it works only as long as a command takes. */
  get isCommand(): boolean {
    return this.#info.isCommand;
  }

  /** Stays until it is closed, also if it was a command's so far: others count on it, and it fires the schedule. */
  stay(): Promise<void> {
    this.#staying ??= this.#stay();
    return this.#staying;
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
    return signOff(this.#queues, this.#info, this.#options.clock.now());
  }

  async #stay(): Promise<void> {
    const { config, catalog, clock, log } = this.#options;
    const { signal } = this.#over;
    try {
      signal.throwIfAborted();
      this.#info = { ...this.#info, isCommand: false };
      await beat(this.#queues, this.#info, clock.now());
      const { startSchedule } = await import("./schedule.ts"); // node-cron is loaded only where it is needed
      await startSchedule({ config, catalog, queues: this.#queues, clock, log, signal });
      signal.throwIfAborted();
    } catch (cause) {
      if (!signal.aborted) throw cause;
      throw new SafeShutdownError("interrupted", "the worker was closed before it was up", { cause });
    }
  }

  async #close(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    this.#over.abort();
    this.#refusals.stop();
    const isThere = this.#redis.status === "ready";
    const signedOff = settlesWithin(this.signOff(), isThere ? SIGN_OFF_MS : CLOSE_MS, clock);
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
    worker.on("error", (error) => this.#hear(error));
    worker.on("completed", ({ id = "" }) => this.isCommand || this.results.delete(id));
    worker.on("lockRenewalFailed", (ids) => {
      for (const id of ids) worker.cancelJob(id, "the job's lock was lost");
    });
    return worker;
  }

  #hear(error: Error): void {
    if (!this.#refusals.note(error)) this.#options.onError(error);
  }
}
