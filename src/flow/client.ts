import { randomBytes } from "node:crypto";
import type { Config } from "../config/config.ts";
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
import { type Intent, kindOf, newRunId, type Request, requestSchema, stagesOf } from "./intent.ts";
import { type Place, tooLate } from "./lifetime.ts";
import { PARENT_OPTIONS, Queues, queueOf } from "./queues.ts";
import { type RunView, type TaskView, viewOf } from "./view.ts";

/** How a run stands, as Redis knows it. */
export type RunState =
  | { readonly state: "running"; readonly view: RunView | undefined }
  | { readonly state: "finished"; readonly report: RunReport; readonly view: RunView | undefined }
  /** It ended without a report: `reason` says why. */
  | { readonly state: "broken"; readonly reason: string }
  | { readonly state: "unknown" };

const VIEW_PAGE = 500;

/** The states of a parent that somebody works on, or soon will; a finished one is told by its report. */
const GOING_ON: readonly string[] = ["waiting", "active", "waiting-children", "prioritized", "completed"];

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

  /**
   * Starts a run, or attaches to one of the same kind that is going on. Neither one that was cancelled counts, nor
   * one left behind long ago, its worker killed and nobody there to take over: what it asks for is too old to be done.
   */
  async submit(intent: Intent): Promise<{ run: string; attached: boolean }> {
    if (await this.#queues.runs.isPaused()) {
      const what = `the queue of runs in Redis is paused: nobody would take this one up`;
      throw new SafeShutdownError("refused", `${what}. Resume it, or run here with --inline.`);
    }
    const proposed = newRunId(this.#clock.now(), randomBytes(3).toString("hex"));
    const kind = kindOf(intent);
    const add = () =>
      this.#queues.runs.add(intent.flow, intent, {
        ...PARENT_OPTIONS,
        jobId: proposed,
        deduplication: { id: kind },
      });
    let run = (await add()).id ?? proposed;
    if (run !== proposed && !(await this.#isWorthFollowing(run, kind))) {
      await requestCancel(this.#queues, run, this.#clock);
      const old = await this.#queues.runs.getJob(run);
      // of a job only its own: another command may have begun a new run meanwhile
      await (old?.removeDeduplicationKey() ?? this.#queues.runs.removeDeduplicationKey(kind));
      run = (await add()).id ?? proposed;
    }
    return { run, attached: run !== proposed };
  }

  /** A run has finished when its parent has, not when its report is saved: only then may the next one start. */
  async stateOf(run: string, { withView = true } = {}): Promise<RunState> {
    const parent = await this.#queues.runs.getJob(run);
    const request = requestSchema.safeParse(parent?.data).data;
    const view = request && withView ? await this.#viewOf(run, request) : undefined;
    if (parent !== undefined && parent.finishedOn === undefined) {
      if (request === undefined) return { state: "broken", reason: `${run} is not a run of safe-shutdown` };
      return { state: "running", view };
    }
    const report = await loadReport(this.#queues, run);
    if (report !== undefined) return { state: "finished", report, view };
    if (parent === undefined) return { state: "unknown" };
    return { state: "broken", reason: parent.failedReason ?? "it has none" };
  }

  async cancel(run: string): Promise<void> {
    const { state } = await this.stateOf(run);
    if (state === "running") return requestCancel(this.#queues, run, this.#clock);
    const why = state === "unknown" ? "there is no such run" : "it has ended";
    throw new SafeShutdownError("usage", `${run} cannot be cancelled: ${why}; see safe-shutdown runs`);
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

  /** What is planted under the name of a run, asks for something else, or waits for another day, is no such run. */
  async #isWorthFollowing(run: string, kind: string): Promise<boolean> {
    if (await isCancelled(this.#queues, run)) return false;
    const parent = await this.#queues.runs.getJob(run);
    const request = requestSchema.safeParse(parent?.data).data;
    if (parent === undefined || request === undefined || kindOf(request) !== kind) return false;
    const { timestamp: askedAtMs, attemptsStarted } = parent;
    const age = { flow: request.flow, askedAtMs, hasBegun: attemptsStarted > 0 };
    if (tooLate(age, this.#place) !== undefined) return false;
    return GOING_ON.includes(await parent.getState());
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
