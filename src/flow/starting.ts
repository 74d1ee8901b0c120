import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { FlowName } from "../../jobs/flows.ts";
import type { Log } from "../../jobs/job.ts";
import type { Config } from "../config/config.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Mode } from "../report/report.ts";
import type { Clock } from "../system/clock.ts";
import { isConnectionLoss } from "../system/redis-connection.ts";
import { type Catalog, unknownJobs } from "./catalog.ts";
import type { QueueClient } from "./client.ts";
import type { QueueConnection } from "./connection.ts";
import { InlineRun, type InlineRunOptions } from "./inline-run.ts";
import { type Intent, intentSchema, newRunId } from "./intent.ts";
import type { OwnWorker } from "./own-worker.ts";
import { QueueRun } from "./queue-run.ts";
import { ofNoUse, refusalIn } from "./refusals.ts";
import { perhapsQueued, type Run } from "./run.ts";

export interface StartOptions {
  /** `plan` shows what would be done and touches nothing. Default: `apply`. */
  readonly mode?: Mode;
  /** Only these jobs of the flow. Default: all. */
  readonly jobs?: readonly string[];
  /** Which hosts; `all`: this one, and every one whose worker is alive or died within a day. Default: this one. */
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

interface StarterOptions {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Log;
  readonly connection: QueueConnection;
  readonly worker: OwnWorker;
}

/** Throws `usage` for options that exclude each other. */
export function refuseContradiction({ inline, detach, hosts }: StartOptions): void {
  if (inline !== true) return;
  const other = detach === true ? "--detach" : hosts === "all" ? "--all-hosts" : undefined;
  if (other !== undefined) throw new SafeShutdownError("usage", `--inline and ${other} exclude each other`);
}

/** `because`: why there is no queue; `undefined` where none was wanted. */
function needsQueue(
  option: "--detach" | "--hosts" | "--all-hosts",
  because: string | undefined,
): SafeShutdownError {
  if (because === undefined)
    return new SafeShutdownError("usage", `--inline runs on this host only; leave out ${option}`);
  const where = option === "--detach" ? "here and now" : "on each host by itself";
  const next = `Mend that, or give the command ${where}, without ${option}`;
  return new SafeShutdownError("redis-unreachable", `${option} needs the queue's Redis. ${because}. ${next}`);
}

/** Starts runs: through the queue where there is one, else in this process. */
export class Starter {
  readonly #options: StarterOptions;

  constructor(options: StarterOptions) {
    this.#options = options;
  }

  /** See `Application.start`. */
  async start(flow: FlowName, options: StartOptions): Promise<Run> {
    refuseContradiction(options);
    const client = options.inline === true ? undefined : await this.#options.connection.clientOrReason();
    if (typeof client !== "object") {
      if (options.hosts === "all") throw needsQueue("--all-hosts", client);
      return this.#startInline(await this.#intentOf(flow, options, undefined), options, client);
    }
    const intent = await this.#intentOf(flow, options, client);
    const queued = await this.#queue(client, intent, options);
    return typeof queued === "object" ? queued : this.#startInline(intent, options, queued);
  }

  /**
   * Or why the queue's Redis is there but of no use: full, read-only, or with something else in our keys. One that was
   * lost while it was told of the run may carry it out yet: the run stays one of the queue.
   */
  async #queue(client: QueueClient, intent: Intent, { detach = false }: StartOptions): Promise<Run | string> {
    const { config, clock, connection, worker } = this.#options;
    const proposed = this.#newId();
    const startedAtMs = clock.now();
    const submit = (to: QueueClient) => to.submit(proposed, intent);
    const options = {
      ...{ connection, clock },
      ensureWorker: async () => worker.ensure(await connection.client(), { lasting: false }),
      finishHere: (run: string) => this.#finishHere(run, intent, startedAtMs),
    };
    let isTold = false;
    try {
      await worker.ensure(client, { lasting: detach });
      await client.refusePaused();
      isTold = true;
      const { run, attached } = await submit(client);
      return new QueueRun(run, attached, options);
    } catch (error) {
      if (error instanceof SafeShutdownError) throw error;
      if (!isTold || refusalIn(error) !== undefined || !isConnectionLoss(error))
        return ofNoUse(config.queue.url, error);
      if (!detach) return new QueueRun(proposed, false, { ...options, submit });
      throw perhapsQueued(proposed);
    }
  }

  /** `because`: why it does not go through the queue, though it was to. */
  #startInline(intent: Intent, { hosts, detach }: StartOptions, because: string | undefined): Run {
    if (detach === true) throw needsQueue("--detach", because);
    const { host } = this.#options.config;
    if (hosts !== undefined && intent.hosts.some((name) => name !== host))
      throw needsQueue("--hosts", because);
    return this.#inlineRun(this.#newId(), intent, { because });
  }

  #newId(): string {
    return newRunId(this.#options.clock.now(), randomBytes(3).toString("hex"));
  }

  /**
   * Only where this process is the worker of the run's only host, as a command: what it did already is not done again. A
   * worker that lasts goes on with it when Redis is back.
   */
  async #finishHere(run: string, intent: Intent, startedAtMs: number): Promise<Run | undefined> {
    if (intent.hosts.some((host) => host !== this.#options.config.host)) return undefined;
    const done = await this.#options.worker.closeCommand();
    return done && this.#inlineRun(run, intent, { done, startedAtMs });
  }

  #inlineRun(
    run: string,
    intent: Intent,
    more: Pick<InlineRunOptions, "because" | "done" | "startedAtMs">,
  ): Run {
    const { config, catalog, clock, log } = this.#options;
    return new InlineRun(run, intent, { config, catalog, clock, log, ...more });
  }

  async #intentOf(flow: FlowName, options: StartOptions, client: QueueClient | undefined): Promise<Intent> {
    const { host } = this.#options.config;
    const { mode = "apply", jobs, hosts = [host], force = false, keepRedis = false } = options;
    const fleet = hosts === "all" && client !== undefined ? await client.hosts() : [];
    const all = [host, ...fleet.map((known) => known.host)];
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
    const [unknown] = unknownJobs(flow, data.jobs ?? [], this.#options.catalog);
    if (unknown !== undefined) throw new SafeShutdownError("usage", unknown);
    return data;
  }
}
