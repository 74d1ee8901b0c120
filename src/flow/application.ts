import { randomBytes } from "node:crypto";
import type { FlowName } from "../../jobs/flows.ts";
import type { Log } from "../../jobs/job.ts";
import type { Config } from "../config/config.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Mode, RunReport, System } from "../report/report.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import type { Catalog } from "./catalog.ts";
import type { QueueClient, RunState } from "./client.ts";
import { QueueConnection } from "./connection.ts";
import type { GoingRun } from "./going-on.ts";
import type { RunSummary } from "./history.ts";
import { hostLog } from "./host-log.ts";
import type { KnownHost, WorkerInfo } from "./hosts.ts";
import { newRunId } from "./intent.ts";
import { OwnWorker } from "./own-worker.ts";
import { QueueRun } from "./queue-run.ts";
import { ofNoUse, refusalIn } from "./refusals.ts";
import type { Run } from "./run.ts";
import { runJob } from "./run-job.ts";
import type { ScheduleState } from "./schedule-states.ts";
import { Starter, type StartOptions } from "./starting.ts";
import type { MaintenanceWorker } from "./worker.ts";

export type { StartOptions } from "./starting.ts";

export interface ApplicationOptions {
  readonly catalog: Catalog;
  readonly log: Log;
  readonly clock?: Clock;
  /** Of this package; told to other hosts. */
  readonly version: string;
}

/** One application being looked after, as this process sees it. */
export class Application {
  readonly config: Config;
  /** What can be done here: the jobs of the package, and the application's own. */
  readonly catalog: Catalog;
  /** Every line says that it comes from this host. */
  readonly log: Log;
  readonly #clock: Clock;
  readonly #connection: QueueConnection;
  readonly #worker: OwnWorker;
  readonly #starter: Starter;

  constructor(config: Config, { catalog, clock = systemClock, version, ...options }: ApplicationOptions) {
    const log = hostLog(config.host, options.log);
    this.config = config;
    this.catalog = catalog;
    this.log = log;
    this.#clock = clock;
    const connection = new QueueConnection(config, catalog, clock);
    const worker = new OwnWorker({ config, catalog, clock, log, version, connection });
    this.#connection = connection;
    this.#worker = worker;
    this.#starter = new Starter({ config, catalog, clock, log, connection, worker });
  }

  /**
   * Starts a run, or attaches to one of the same kind that is going on. Works as the worker of this host as long
   * as none is alive. Without Redis the run takes place in this process, on this host only.
   * Throws `usage` for what no run can be, `refused`, or `redis-unreachable` for what needs the queue.
   */
  start(flow: FlowName, options: StartOptions = {}): Promise<Run> {
    return this.#starter.start(flow, options);
  }

  /** A run that was started elsewhere, to be followed from here. Throws `usage` when there is none. */
  async attach(run: string): Promise<Run> {
    const { state } = await this.stateOf(run, { withView: false });
    if (state === "unknown") throw new SafeShutdownError("usage", `no run ${JSON.stringify(run)} is known`);
    return new QueueRun(run, true, {
      connection: this.#connection,
      clock: this.#clock,
      ensureWorker: async () => undefined,
      finishHere: async () => undefined,
    });
  }

  /** The connection to the queue; a new one when the last was lost. Throws `redis-unreachable`. */
  client(): Promise<QueueClient> {
    return this.#connection.client();
  }

  /** Asks a run, also another process's, to stop after its current items. */
  async cancel(run: string): Promise<void> {
    await this.#connection.ask((client) => client.cancel(run));
  }

  /** The newest finished runs, newest first. */
  async runs(count = 20): Promise<RunSummary[]> {
    return this.#connection.ask((client) => client.runs(count));
  }

  /** The runs that have not ended, newest first. */
  async going(): Promise<GoingRun[]> {
    return this.#connection.ask((client) => client.going());
  }

  /** The report of a finished run, or `undefined`. */
  async report(run: string): Promise<RunReport | undefined> {
    return this.#connection.ask((client) => client.report(run));
  }

  /** Where a run stands: going on, finished, or ended with no report to be had; the view of all its jobs may be left out. */
  async stateOf(run: string, options: { withView?: boolean } = {}): Promise<RunState> {
    return this.#connection.ask((client) => client.stateOf(run, options));
  }

  /** The live workers of all hosts. */
  async workers(): Promise<WorkerInfo[]> {
    return this.#connection.ask((client) => client.workers());
  }

  /** The hosts that run a maintenance worker, or did until it died. */
  async hosts(): Promise<KnownHost[]> {
    return this.#connection.ask((client) => client.hosts());
  }

  /** The schedule; without Redis, only what is to come. */
  async schedule(): Promise<ScheduleState[]> {
    const { scheduleStates } = await import("./schedule-states.ts"); // node-cron is loaded only where it is needed
    try {
      return await this.#connection.ask(({ queues }) => scheduleStates(this.config, queues));
    } catch (error) {
      if (error instanceof SafeShutdownError && error.code === "redis-unreachable")
        return scheduleStates(this.config, undefined);
      throw error;
    }
  }

  /** What is running and what is left on this host. Changes nothing, needs no queue. */
  async system(): Promise<System> {
    const { config, catalog } = this;
    const name = "check-system";
    const job = catalog.jobs.get(name);
    if (job === undefined) throw new Error(`there is no ${name}`);
    const run = newRunId(this.#clock.now(), "status");
    const asked = { run, flow: "shutdown", mode: "plan", stage: 0, job: name, host: config.host } as const;
    const { system } = await runJob({ version: 1, ...asked, force: false, keepRedis: false }, job, {
      ...{ config, catalog, clock: this.#clock, log: this.log },
      signal: new AbortController().signal,
      onProgress: () => undefined,
    });
    if (system === undefined) throw new Error(`${name} saw nothing`);
    return system;
  }

  /**
   * Puts back what a run moved to quarantine on this host, all of it or these files and directories of the root, and
   * never overwrites. Needs no queue. Throws `usage` when the run removed nothing here, `refused`.
   */
  async restore(
    run: string,
    { paths = [], mode = "apply" }: { readonly paths?: readonly string[]; readonly mode?: Mode } = {},
  ): Promise<RunReport> {
    const { restore } = await import("./restore.ts");
    const id = newRunId(this.#clock.now(), randomBytes(3).toString("hex"));
    return restore(this.config, run, { paths, mode, clock: this.#clock, id });
  }

  /**
   * Starts a worker of this host in this process, once: it runs jobs and fires the schedule, as `safe-shutdown worker`
   * does, until it is closed. Throws `refused`, `redis-unreachable`.
   */
  async startWorker(): Promise<MaintenanceWorker> {
    try {
      return await this.#worker.start(false);
    } catch (error) {
      if (refusalIn(error) === undefined) throw error;
      throw new SafeShutdownError("redis-unreachable", ofNoUse(this.config.queue.url, error), {
        cause: error,
      });
    }
  }

  /** Tells others at once that this process does not work any more. */
  signOff(): Promise<void> {
    return this.#worker.signOff();
  }

  /** Lets current jobs finish, then lets go of Redis. Always resolves. */
  async close(): Promise<void> {
    await this.#worker.close();
    await this.#connection.close();
  }
}
