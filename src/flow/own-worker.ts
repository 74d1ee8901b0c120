import { randomBytes } from "node:crypto";
import type { Log } from "../../jobs/job.ts";
import type { Config } from "../config/config.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { machineId } from "../system/machine.ts";
import type { Catalog } from "./catalog.ts";
import type { QueueClient } from "./client.ts";
import type { QueueConnection } from "./connection.ts";
import { HEARTBEAT_GONE_MS, type WorkerInfo } from "./hosts.ts";
import type { Done } from "./recent.ts";
import { Trouble } from "./trouble.ts";
import type { MaintenanceWorker } from "./worker.ts";

export interface OwnWorkerOptions {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Log;
  /** Of this package; told to other hosts. */
  readonly version: string;
  readonly connection: QueueConnection;
}

/** The worker of this host in this process, once it is needed. */
export class OwnWorker {
  readonly #options: OwnWorkerOptions;
  readonly #trouble: Trouble;
  #worker: Promise<MaintenanceWorker> | undefined;
  #lastWord: string | undefined;

  constructor(options: OwnWorkerOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.clock, options.log);
  }

  /**
   * Starts it, once; `isCommand` says that it works only as long as a command takes, so that others do not count on
   * it. One that is asked for to last fires the schedule too. Throws `refused` when another worker has the same host
   * name and looks after another directory, or works on another machine: each would do the other's jobs, in the wrong
   * place.
   */
  async start(isCommand: boolean): Promise<MaintenanceWorker> {
    this.#refuseIfGivenUp();
    const starting = this.#worker ?? this.#start(isCommand);
    this.#worker = starting;
    try {
      const worker = await starting;
      if (!isCommand) await worker.stay();
      return worker;
    } catch (error) {
      if (this.#worker === starting) this.#worker = undefined;
      await starting.then((worker) => worker.close()).catch(() => undefined);
      throw error;
    }
  }

  /** Works for this host if nobody else does; with `lasting`, somebody else must, or it throws `refused`. */
  async ensure(client: QueueClient, { lasting }: { lasting: boolean }): Promise<void> {
    this.#refuseIfGivenUp();
    if (this.#worker !== undefined) return;
    const worker = findWorker(this.#options, await client.workers());
    if (lasting && (worker === undefined || worker.isCommand)) {
      throw new SafeShutdownError(
        "refused",
        "--detach needs a live worker here: start `safe-shutdown worker`",
      );
    }
    if (worker === undefined) await this.start(true);
  }

  /** Tells others at once that this process does not work any more. */
  async signOff(): Promise<void> {
    await (await this.#worker)?.signOff();
  }

  /** Ends it, if there is one; current jobs may finish. */
  async close(): Promise<void> {
    const worker = await this.#current();
    this.#worker = undefined;
    await worker?.close();
  }

  /** Ends it if it works for a command only, and answers what it did; current jobs may finish. */
  async closeCommand(): Promise<Done | undefined> {
    const worker = await this.#current();
    if (worker?.isCommand !== true) return undefined;
    await this.close();
    return worker.results;
  }

  #refuseIfGivenUp(): void {
    if (this.#lastWord !== undefined) throw new SafeShutdownError("redis-unreachable", this.#lastWord);
  }

  async #current(): Promise<MaintenanceWorker | undefined> {
    return this.#worker?.catch(() => undefined);
  }

  /** After a reboot the heartbeat of before may still be there, of another boot: a lasting worker looks again. */
  async #refuseNamesakes(isCommand: boolean): Promise<void> {
    const { config, clock, log, connection } = this.#options;
    const look = async () => refuseOtherPlace(config, await (await connection.client()).workers());
    try {
      await look();
    } catch (error) {
      if (isCommand || !(error instanceof SafeShutdownError) || error.code !== "refused") throw error;
      log.warn({ error: error.message, waitMs: HEARTBEAT_GONE_MS }, "another worker was here: looking again");
      await clock.sleep(HEARTBEAT_GONE_MS);
      await look();
    }
  }

  async #start(isCommand: boolean): Promise<MaintenanceWorker> {
    const { config, catalog, clock, log, version, connection } = this.#options;
    const { host, root, fingerprint } = config;
    const since = new Date(clock.now()).toISOString();
    const id = randomBytes(3).toString("hex");
    const machine = machineId();
    const info = { host, pid: process.pid, id, version, fingerprint, root, machine, since, isCommand };
    const onError = (error: Error) => this.#trouble.note(error);
    await this.#refuseNamesakes(isCommand);
    const { MaintenanceWorker } = await import("./worker.ts");
    const worker = await MaintenanceWorker.start({ config, catalog, clock, log, info, onError });
    void worker.gaveUp.then((lastWord) => {
      this.#lastWord = lastWord;
    });
    try {
      refuseOtherPlace(config, await (await connection.client()).workers()); // one that started at the same moment
      return worker;
    } catch (error) {
      await worker.close(0);
      throw error;
    }
  }
}

/**
 * Whether somebody works for this host already. Throws `refused` when that one works in another place; warns when it
 * has another config, which then counts.
 */
function findWorker(
  { config, log }: Pick<OwnWorkerOptions, "config" | "log">,
  workers: readonly WorkerInfo[],
): WorkerInfo | undefined {
  refuseOtherPlace(config, workers);
  const worker = workers.filter(({ host }) => host === config.host).toSorted(longLivedFirst)[0];
  if (worker !== undefined && worker.fingerprint !== config.fingerprint) {
    log.warn({ pid: worker.pid }, "the live worker has another config than this command: its own counts");
  }
  return worker;
}

function longLivedFirst(a: WorkerInfo, b: WorkerInfo): number {
  return Number(a.isCommand) - Number(b.isCommand);
}

function refuseOtherPlace({ app, host, root }: Config, workers: readonly WorkerInfo[]): void {
  const namesakes = workers.filter((one) => one.host === host);
  const stranger = namesakes.find(({ machine }) => machine !== "" && machine !== machineId());
  if (stranger !== undefined) {
    const who = `a worker of ${app} on another machine (pid ${stranger.pid}) calls itself ${host} too`;
    throw new SafeShutdownError("refused", `${who}: give each machine a name of its own with --host`);
  }
  const other = namesakes.find((one) => one.root !== root);
  if (other === undefined) return;
  throw new SafeShutdownError(
    "refused",
    `a worker of ${app} on ${host} (pid ${other.pid}) looks after ${other.root}, not ${root}: ` +
      "give one of them another `app` name, or use --inline",
  );
}
