import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { FlowName } from "../../jobs/flows.ts";
import type { Log } from "../../jobs/job.ts";
import type { JobName } from "../../jobs/registry.ts";
import type { Config } from "../config/config.ts";
import { messageOf, SafeShutdownError } from "../errors.ts";
import type { Mode, RunReport, System } from "../report/report.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { QueueClient, type RunState } from "./client.ts";
import type { RunSummary } from "./history.ts";
import type { WorkerInfo } from "./hosts.ts";
import { type Intent, intentSchema, newRunId, stagesOf } from "./intent.ts";
import { findWorker, startOwnWorker } from "./own-worker.ts";
import { lifetimeOf } from "./queues.ts";
import { InlineRun, QueueRun, type Run } from "./run.ts";
import { runJob } from "./run-job.ts";
import { type ScheduleState, scheduleStates } from "./schedule.ts";
import { Trouble } from "./trouble.ts";
import type { MaintenanceWorker } from "./worker.ts";

export interface StartOptions {
  /** `plan` shows what would be done and touches nothing. Default: `apply`. */
  readonly mode?: Mode;
  /** Only these jobs of the flow. Default: all. */
  readonly jobs?: readonly JobName[];
  /** Which hosts; `all`: every one with a live worker, and this one. Default: this one. */
  readonly hosts?: readonly string[] | "all";
  /** Kill at once instead of waiting for a warm shutdown; stop strays too. Default: false. */
  readonly force?: boolean;
  /** Leave Redis alone. Default: false. */
  readonly keepRedis?: boolean;
  /** Run in this process, without the queue. Default: only when Redis cannot be reached. */
  readonly inline?: boolean;
  /** Only enqueue; throws `refused` when no worker is alive on this host. Default: false. */
  readonly detach?: boolean;
}

export interface ApplicationOptions {
  readonly log: Log;
  readonly clock?: Clock;
  /** Of this package; told to other hosts. */
  readonly version: string;
}

/** One application being looked after, as this process sees it. */
export class Application {
  readonly config: Config;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #version: string;
  readonly #trouble: Trouble;
  #client: Promise<QueueClient> | undefined;
  #worker: Promise<MaintenanceWorker> | undefined;

  constructor(config: Config, { log, clock = systemClock, version }: ApplicationOptions) {
    this.config = config;
    this.#log = log;
    this.#clock = clock;
    this.#version = version;
    this.#trouble = new Trouble(clock, log);
  }

  /**
   * Starts a run, or attaches to one of the same kind that is going on. Works as the worker of this host as long
   * as none is alive. Without Redis the run takes place in this process, on this host only.
   * Throws `usage` for what no run can be, `refused`, or `redis-unreachable` for what needs the queue.
   */
  async start(flow: FlowName, options: StartOptions = {}): Promise<Run> {
    if (options.inline === true && (options.detach === true || options.hosts === "all")) {
      throw new SafeShutdownError(
        "usage",
        "--inline runs here and now: it goes with neither --detach nor --all-hosts",
      );
    }
    const client = options.inline === true ? undefined : await this.#clientUnlessAway();
    const intent = await this.#intentOf(flow, options, client);
    if (client === undefined) return this.#startInline(intent, options);
    const queued = await this.#queue(client, intent, options);
    if (queued === undefined) return this.#startInline(intent, options);
    const { run, attached } = queued;
    return new QueueRun(run, attached, {
      client: () => this.client(),
      reconnect: () => this.#reconnect(),
      ensureWorker: async () => this.#ensureWorker(await this.client(), false),
      clock: this.#clock,
    });
  }

  /** The connection to the queue; a new one when the last was lost. Throws `redis-unreachable`. */
  async client(): Promise<QueueClient> {
    const known = this.#client;
    if (known !== undefined && !(await isConnected(known)) && this.#client === known)
      this.#client = undefined;
    this.#client ??= QueueClient.connect(this.config, this.#clock);
    return this.#client;
  }

  /** Asks a run, also another process's, to stop after its current items. */
  async cancel(run: string): Promise<void> {
    await (await this.client()).cancel(run);
  }

  /** The newest finished runs, newest first. */
  async runs(count = 20): Promise<RunSummary[]> {
    return (await this.client()).runs(count);
  }

  /** The report of a finished run, or `undefined`. */
  async report(run: string): Promise<RunReport | undefined> {
    return (await this.client()).report(run);
  }

  /** Where a run stands: going on, finished, or ended without a report. */
  async stateOf(run: string): Promise<RunState> {
    return (await this.client()).stateOf(run);
  }

  /** The live workers of all hosts. */
  async workers(): Promise<WorkerInfo[]> {
    return (await this.client()).workers();
  }

  /** The schedule; without Redis, only what is to come. */
  async schedule(): Promise<ScheduleState[]> {
    const client = await this.#clientUnlessAway();
    return scheduleStates(this.config, client?.queues);
  }

  /** What is running and what is left on this host. Changes nothing, needs no queue. */
  async system(): Promise<System> {
    const run = newRunId(this.#clock.now(), "status");
    const intent = await this.#intentOf("shutdown", { mode: "plan", jobs: ["check-system"] }, undefined);
    const [planned] = stagesOf(run, intent).flat();
    if (planned === undefined) throw new Error("the shutdown flow has no check-system");
    const { system } = await runJob(planned.task, {
      config: this.config,
      clock: this.#clock,
      log: this.#log,
      signal: new AbortController().signal,
      onProgress: () => undefined,
    });
    if (system === undefined) throw new Error("check-system saw nothing");
    return system;
  }

  /**
   * Starts a worker of this host in this process, once; `isCommand` says that it works only as long as a command
   * takes, so that others do not count on it. Throws `refused`, `redis-unreachable`.
   */
  startWorker(isCommand = false): Promise<MaintenanceWorker> {
    const starting =
      this.#worker ??
      startOwnWorker(
        {
          config: this.config,
          clock: this.#clock,
          log: this.#log,
          version: this.#version,
          client: () => this.client(),
          onError: (error) => this.#trouble.note(error),
        },
        isCommand,
      );
    this.#worker = starting;
    starting.catch(() => {
      if (this.#worker === starting) this.#worker = undefined;
    });
    return starting;
  }

  /** Tells others at once that this process does not work any more. */
  async signOff(): Promise<void> {
    await (await this.#worker)?.signOff();
  }

  /** Lets current jobs finish, then lets go of Redis. Always resolves. */
  async close(): Promise<void> {
    const [worker, client] = await Promise.allSettled([this.#worker, this.#client]);
    if (worker.status === "fulfilled") await worker.value?.close();
    if (client.status === "fulfilled") await client.value?.close();
    this.#worker = undefined;
    this.#client = undefined;
  }

  /** `undefined` when the queue's Redis is there but of no use: full, read-only, or with something else in our keys. */
  async #queue(
    client: QueueClient,
    intent: Intent,
    { detach = false }: StartOptions,
  ): Promise<{ run: string; attached: boolean } | undefined> {
    try {
      await this.#ensureWorker(client, detach);
      return await client.submit(intent, lifetimeOf(this.config));
    } catch (error) {
      if (error instanceof SafeShutdownError) throw error;
      this.#log.warn({ error: messageOf(error) }, "the queue in Redis cannot be used");
      return undefined;
    }
  }

  #startInline(intent: Intent, { hosts, detach }: StartOptions): Run {
    if (detach === true)
      throw new SafeShutdownError("redis-unreachable", "a detached run needs the queue's Redis");
    const { host } = this.config;
    if (hosts !== undefined && intent.hosts.some((name) => name !== host)) {
      throw new SafeShutdownError("redis-unreachable", `other hosts than ${host} need the queue's Redis`);
    }
    const run = newRunId(this.#clock.now(), randomBytes(3).toString("hex"));
    return new InlineRun(run, intent, { config: this.config, clock: this.#clock, log: this.#log });
  }

  async #intentOf(flow: FlowName, options: StartOptions, client: QueueClient | undefined): Promise<Intent> {
    const { mode = "apply", jobs, hosts = [this.config.host], force = false, keepRedis = false } = options;
    if (hosts === "all" && client === undefined) {
      throw new SafeShutdownError("redis-unreachable", "all hosts are known only through the queue's Redis");
    }
    const live = hosts === "all" && client !== undefined ? await client.workers() : [];
    const all = [this.config.host, ...live.filter(({ isCommand }) => !isCommand).map(({ host }) => host)];
    const { data, error } = intentSchema.safeParse({
      version: 1,
      flow,
      mode,
      ...(jobs !== undefined && { jobs: [...new Set(jobs)] }),
      hosts: [...new Set(hosts === "all" ? all : hosts)].toSorted(),
      force,
      keepRedis,
    });
    if (error !== undefined) throw new SafeShutdownError("usage", z.prettifyError(error), { cause: error });
    return data;
  }

  async #ensureWorker(client: QueueClient, detach: boolean): Promise<void> {
    if (this.#worker !== undefined) return;
    const worker = findWorker(this.config, await client.workers(), this.#log);
    if (detach && (worker === undefined || worker.isCommand)) {
      throw new SafeShutdownError(
        "refused",
        "--detach needs a live worker here: start `safe-shutdown worker`",
      );
    }
    if (worker === undefined) await this.startWorker(true);
  }

  async #clientUnlessAway(): Promise<QueueClient | undefined> {
    try {
      const client = await this.client();
      return (await client.answers()) ? client : await this.client();
    } catch (error) {
      this.#client = undefined;
      if (error instanceof SafeShutdownError && error.code === "redis-unreachable") return undefined;
      throw error;
    }
  }

  async #reconnect(): Promise<void> {
    const old = await Promise.allSettled([this.#client]);
    this.#client = undefined;
    if (old[0].status === "fulfilled") await old[0].value?.close();
    await this.client();
  }
}

async function isConnected(client: Promise<QueueClient>): Promise<boolean> {
  const [outcome] = await Promise.allSettled([client]);
  if (outcome.status === "rejected") return false;
  if (!outcome.value.isConnected) await outcome.value.close();
  return outcome.value.isConnected;
}
