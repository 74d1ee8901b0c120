import { realpathSync } from "node:fs";
import { type JobName, jobs } from "../../jobs/registry.ts";
import { loadConfig } from "../../src/config/load.ts";
import { AppQueues } from "../../src/flow/app-queues.ts";
import { JobReporter, type JobResult } from "../../src/report/job-reporter.ts";
import type { Item, Mode, Outcome } from "../../src/report/report.ts";
import { type Clock, systemClock } from "../../src/system/clock.ts";
import type { Rehearsed } from "../../src/system/quota.ts";
import { openWorld } from "../../src/system/world.ts";
import { put, RUN } from "./hands.ts";
import { temporaryDirectory } from "./temp.ts";

export interface RunOptions {
  readonly mode?: Mode;
  readonly switches?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly presumeStopped?: { readonly force: boolean };
  readonly keepRedis?: boolean;
  /** What a rehearsal saw. */
  readonly rehearsed?: Rehearsed;
  /** Entries to be passed before sweepers are called. */
  readonly calledAfter?: number;
  /** Told what is odd. */
  readonly tell?: (what: string) => void;
  /** Told at every step of the job: a place to move the world while it runs. */
  readonly onProgress?: (waitingFor: string | undefined) => void;
}

export interface Ran extends JobResult {
  /** What the job threw, if it did. */
  readonly error: unknown;
  readonly items: readonly Item[];
  /** `target: outcome: reason` of each item, sorted. */
  readonly lines: readonly string[];
  targets(outcome: Outcome): string[];
}

/** Aborts a job as soon as it tells what it did. */
export function abortedOnceTold(): Required<Pick<RunOptions, "signal" | "onProgress">> {
  const abort = new AbortController();
  return { signal: abort.signal, onProgress: () => abort.abort(new Error("enough")) };
}

/** An application: a root with its config, and its jobs, run one at a time on the true world. */
export async function makeApp(config: string, redisUrl = "redis://127.0.0.1:1/0") {
  const root = realpathSync(temporaryDirectory());
  put(root, "safe-shutdown.yaml", `app: scraper\n${config}`);
  const loaded = await loadConfig({ root, host: "h1", env: {}, redisUrl });

  async function run(name: JobName, options: RunOptions = {}): Promise<Ran> {
    const { mode = "apply", clock = systemClock, presumeStopped, onProgress, calledAfter, tell } = options;
    const { keepRedis = false, rehearsed } = options;
    const signal = options.signal ?? new AbortController().signal;
    const report = new JobReporter(name, "h1", (progress) => onProgress?.(progress.waitingFor));
    const { config } = loaded;
    const world = await openWorld({
      run: RUN,
      job: name,
      config,
      mode,
      keepRedis,
      signal,
      clock,
      presumeStopped,
      rehearsed,
      calledAfter,
      tell,
    });
    const log = { info: () => {}, warn: () => {} };
    const queues = new AppQueues({ config, quota: world.keyQuota, mode, clock, signal });
    const context = { config: loaded.config, ...world, queues, report, log, signal };
    let error: unknown;
    try {
      await jobs[name].run({ force: false, keepRedis, ...options.switches }, context);
    } catch (thrown) {
      error = thrown;
    } finally {
      await world.close();
    }
    const result = report.finish(0);
    const { items } = result.report;
    const lineOf = ({ target, outcome, reason }: Item) =>
      `${target}: ${outcome}${reason === undefined ? "" : `: ${reason}`}`;
    return {
      ...result,
      error,
      items,
      lines: items.map(lineOf).sort(),
      targets: (outcome) =>
        items
          .filter((item) => item.outcome === outcome)
          .map(({ target }) => target)
          .sort(),
    };
  }
  return { root, config: loaded.config, run };
}
