import { randomBytes } from "node:crypto";
import type { Log } from "../../jobs/job.ts";
import type { Config } from "../config/config.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import type { QueueClient } from "./client.ts";
import type { WorkerInfo } from "./hosts.ts";
import { MaintenanceWorker } from "./worker.ts";

export interface OwnWorkerOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly client: () => Promise<QueueClient>;
  readonly onError: (error: Error) => void;
}

/**
 * Starts a worker of this host in this process. `isCommand`: it works only as long as a command takes.
 * Throws `refused` when another worker of this host looks after another directory under the same name: each would
 * do the other's jobs, in the wrong place.
 */
export async function startOwnWorker(
  options: OwnWorkerOptions,
  isCommand: boolean,
): Promise<MaintenanceWorker> {
  const { config, clock, log, version, client, onError } = options;
  const { host, root, fingerprint } = config;
  const since = new Date(clock.now()).toISOString();
  const id = randomBytes(3).toString("hex");
  const info = { host, pid: process.pid, id, version, fingerprint, root, since, isCommand };
  refuseOtherRoot(config, await (await client()).workers());
  const worker = await MaintenanceWorker.start({ config, clock, log, info, onError });
  try {
    refuseOtherRoot(config, await (await client()).workers()); // one that started at the same moment
    return worker;
  } catch (error) {
    await worker.close(0);
    throw error;
  }
}

/**
 * Whether somebody works for this host already. Throws `refused` when that one looks after another directory; warns
 * when it has another config, which then counts.
 */
export function findWorker(config: Config, workers: readonly WorkerInfo[], log: Log): WorkerInfo | undefined {
  refuseOtherRoot(config, workers);
  const worker = workers.filter(({ host }) => host === config.host).toSorted(longLivedFirst)[0];
  if (worker !== undefined && worker.fingerprint !== config.fingerprint) {
    log.warn({ pid: worker.pid }, "the live worker has another config than this command: its own counts");
  }
  return worker;
}

function longLivedFirst(a: WorkerInfo, b: WorkerInfo): number {
  return Number(a.isCommand) - Number(b.isCommand);
}

function refuseOtherRoot({ app, host, root }: Config, workers: readonly WorkerInfo[]): void {
  const other = workers.find((one) => one.host === host && one.root !== root);
  if (other === undefined) return;
  throw new SafeShutdownError(
    "refused",
    `a worker of ${app} on ${host} (pid ${other.pid}) looks after ${other.root}, not ${root}: ` +
      "give one of them another `app` name, or use --inline",
  );
}
