import type { Config } from "../config/config.ts";
import { formatDuration } from "../config/duration.ts";
import { SafeShutdownError } from "../errors.ts";
import type { RunReport } from "../report/report.ts";
import { parseProgress } from "../report/report-schema.ts";
import { type Clock, settlesWithin } from "../system/clock.ts";
import type { RedisClient } from "../system/redis-client.ts";
import { connectRedis } from "../system/redis-connection.ts";
import { isCancelled, requestCancel } from "./cancel.ts";
import type { Catalog } from "./catalog.ts";
import { type GoingRun, goingRuns } from "./going-on.ts";
import { listRuns, loadReport, type RunSummary, saveReport } from "./history.ts";
import { fleet, type KnownHost, liveWorkers, type WorkerInfo } from "./hosts.ts";
import { type Intent, type Request, requestSchema, stagesOf } from "./intent.ts";
import type { Place } from "./lifetime.ts";
import { HISTORY_COUNT, HISTORY_MS, Queues, queueOf } from "./queues.ts";
import { submitRun } from "./submission.ts";
import { type RunView, type TaskView, viewOf } from "./view.ts";

/** How a run stands, as Redis knows it. */
export type RunState =
  /** `cancelled`: nothing more of it is begun, and whoever works on it ends it. */
  | { readonly state: "running"; readonly cancelled: boolean; readonly view: RunView | undefined }
  | { readonly state: "finished"; readonly report: RunReport; readonly view: RunView | undefined }
  /** It ended, and there is no report: `reason` says why. */
  | { readonly state: "broken"; readonly reason: string }
  | { readonly state: "unknown" };

/** The run that a request has come to. */
export interface Submitted {
  readonly run: string;
  /** It was going on already. */
  readonly attached: boolean;
}

const VIEW_PAGE = 500;
const NO_LONGER_KEPT = `it is no longer kept (${formatDuration(HISTORY_MS)}, and the newest ${HISTORY_COUNT} of each flow)`;

/** Asks for runs, and reads of them, over one connection that does not reconnect. */
export class QueueClient {
  readonly #place: Place;
  readonly #clock: Clock;
  readonly #redis: RedisClient;
  readonly #queues: Queues;
  #isLost = false;

  private constructor(redis: RedisClient, queues: Queues, place: Place) {
    this.#redis = redis;
    this.#queues = queues;
    this.#place = place;
    this.#clock = place.clock;
  }

  /** Throws `redis-unreachable`, within two seconds. */
  static async connect(
    config: Pick<Config, "app" | "queue" | "stageDeadlineMs">,
    catalog: Catalog,
    clock: Clock,
  ): Promise<QueueClient> {
    const redis = await connectRedis(config.queue.url);
    // a lost connection shows in the next command; BullMQ's own copies of it say nothing new
    return new QueueClient(redis, new Queues(redis, config.app, () => undefined), {
      ...{ config, catalog, clock },
    });
  }

  /** Throws `refused` while the queue is paused. */
  async refusePaused(): Promise<void> {
    if (!(await this.#queues.runs.isPaused())) return;
    const what = `the queue of runs in Redis is paused: nobody would take this one up`;
    throw new SafeShutdownError("refused", `${what}. Resume it, or run here with --inline.`);
  }

  /** Starts a run under the proposed id, or attaches to one of the same kind that is going on. Asking twice does no harm. */
  async submit(proposed: string, intent: Intent): Promise<Submitted> {
    const run = await submitRun(this.#queues, proposed, intent, this.#place);
    return { run, attached: run !== proposed };
  }

  /** A run has finished when its parent has, not when its report is saved: only then may the next one start. */
  async stateOf(run: string, { withView = true } = {}): Promise<RunState> {
    const parent = await this.#queues.runs.getJob(run);
    const request = requestSchema.safeParse(parent?.data).data;
    const view = request && withView ? await this.#viewOf(run, request) : undefined;
    if (parent !== undefined && parent.finishedOn === undefined) {
      if (request === undefined) return { state: "broken", reason: `${run} is not a run of safe-shutdown` };
      return { state: "running", cancelled: await isCancelled(this.#queues, run), view };
    }
    const report = await loadReport(this.#queues, run);
    if (report !== undefined) return { state: "finished", report, view };
    if (parent === undefined) return { state: "unknown" };
    return { state: "broken", reason: parent.failedReason ?? NO_LONGER_KEPT };
  }

  async cancel(run: string): Promise<void> {
    const { state } = await this.stateOf(run, { withView: false });
    if (state === "running") return requestCancel(this.#queues, run, this.#clock);
    const why = state === "unknown" ? "there is no such run" : "it has ended";
    throw new SafeShutdownError("usage", `${run} cannot be cancelled: ${why}; see safe-shutdown runs`);
  }

  /** Nothing more of a run is begun, whether it is in the queue or comes there yet. */
  async forbid(run: string): Promise<void> {
    await requestCancel(this.#queues, run, this.#clock);
  }

  report(run: string): Promise<RunReport | undefined> {
    return loadReport(this.#queues, run);
  }

  /** Keeps the report of a run that was finished without the queue. */
  async keep(report: RunReport): Promise<void> {
    await saveReport(this.#queues, report);
  }

  runs(count: number): Promise<RunSummary[]> {
    return listRuns(this.#queues, count);
  }

  going(): Promise<GoingRun[]> {
    return goingRuns(this.#queues);
  }

  workers(): Promise<WorkerInfo[]> {
    return liveWorkers(this.#queues, this.#clock.now());
  }

  hosts(): Promise<KnownHost[]> {
    return fleet(this.#queues, this.#clock.now());
  }

  /** Once it is not, it never will be again. */
  get isConnected(): boolean {
    return !this.#isLost && this.#redis.status === "ready";
  }

  /** Whether it still answers. Asking is the only way to know: a lost connection shows in the next command. */
  async answers(): Promise<boolean> {
    try {
      await this.#redis.ping();
      return true;
    } catch {
      this.#isLost = true; // ioredis calls the connection ready until its socket says that it was closed
      return false;
    }
  }

  get queues(): Queues {
    return this.#queues;
  }

  async close(): Promise<void> {
    await settlesWithin(this.#queues.close(), 500, this.#clock);
    this.#redis.disconnect();
  }

  /** A few hundred jobs of the run in each round trip: a fleet must neither block Redis nor fill this process. */
  async #viewOf(run: string, request: Request): Promise<RunView> {
    const { hosts } = request;
    const stages = hosts === "all" ? [] : stagesOf(run, { ...request, hosts }, this.#place.catalog);
    const planned = stages.flat();
    const states = new Map<string, Pick<TaskView, "state" | "progress">>();
    for (let from = 0; from < planned.length; from += VIEW_PAGE) {
      const page = planned.slice(from, from + VIEW_PAGE);
      const pipeline = this.#redis.pipeline();
      for (const { id, task } of page) {
        pipeline.hmget(this.#queues.key(queueOf(task.host), id), "processedOn", "finishedOn", "progress");
      }
      for (const [index, [error, answer]] of ((await pipeline.exec()) ?? []).entries()) {
        if (error !== null) throw error;
        states.set(page[index]?.id ?? "", taskStateOf(answer));
      }
    }
    return viewOf(run, stages, (id) => states.get(id) ?? { state: "waiting", progress: undefined });
  }
}

function taskStateOf(answer: unknown): Pick<TaskView, "state" | "progress"> {
  const [processedOn, finishedOn, progress] = answer as (string | null)[];
  const state = finishedOn ? "ended" : processedOn ? "running" : "waiting";
  return { state, progress: parseProgress(progress) };
}
