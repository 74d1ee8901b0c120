import { FlowProducer, type JobsOptions, Queue, type QueueOptions } from "bullmq";
import type { RedisClient } from "../system/redis-client.ts";

/*
 * Where runs live in Redis. One hash tag for all keys of an app, so that flows work on Redis Cluster: the
 * prefix `{safe-shutdown-<app>}`. Queues: `runs` (parents and once-per-run jobs) and `host-<host>`.
 */

export const RUNS = "runs";
export const HISTORY_MS = 30 * 86_400_000;
/** How many finished runs of a flow are kept. */
export const HISTORY_COUNT = 200;

/** The prefix of all keys of an app. */
export function prefixOf(app: string): string {
  return `{safe-shutdown-${app}}`;
}

/** The queue a task goes to: its host's, or the common one for a job that runs once. */
export function queueOf(host: string | undefined): string {
  return host === undefined ? RUNS : `host-${host}`;
}

const RETENTION: JobsOptions = {
  removeOnComplete: { age: HISTORY_MS / 1_000, count: HISTORY_COUNT },
  removeOnFail: { age: HISTORY_MS / 1_000, count: HISTORY_COUNT },
};

/** The parent of a run: never retried as a whole, since its stages are. */
export const PARENT_OPTIONS: JobsOptions = { ...RETENTION, attempts: 1 };

/**
 * A child. Its failure is reported, not waited for (`ignoreDependencyOnFailure`): without it a failed child
 * leaves its parent waiting for ever.
 */
export const CHILD_OPTIONS: JobsOptions = {
  removeOnComplete: { age: HISTORY_MS / 1_000, count: HISTORY_COUNT * 5 },
  removeOnFail: { age: HISTORY_MS / 1_000, count: HISTORY_COUNT * 5 },
  attempts: 5,
  backoff: { type: "exponential", delay: 1_000 },
  ignoreDependencyOnFailure: true,
};

/** Locks renew every half of `lockDuration`; a killed worker's job is taken over after about 25 s at most. */
export const WORKER_TIMING = {
  lockDuration: 15_000,
  stalledInterval: 5_000,
  // how long a command that Redis was lost under waits before it is tried again
  runRetryDelay: 1_000,
} as const;

/** The queues of an app, over one connection that the caller owns. */
export class Queues {
  readonly prefix: string;
  readonly redis: RedisClient;
  readonly runs: Queue;
  readonly flow: FlowProducer;
  readonly #onError: (error: Error) => void;

  constructor(redis: RedisClient, app: string, onError: (error: Error) => void) {
    this.prefix = prefixOf(app);
    this.redis = redis;
    this.#onError = onError;
    this.runs = this.open(RUNS);
    this.flow = new FlowProducer(this.#options);
    this.flow.on("error", onError);
  }

  /** A queue of the app; opening it bounds its stream of events. The caller closes it. */
  open(name: string): Queue {
    const queue = new Queue(name, { ...this.#options, streams: { events: { maxLen: 1_000 } } });
    queue.on("error", this.#onError);
    return queue;
  }

  get #options(): QueueOptions {
    return { prefix: this.prefix, connection: this.redis, skipVersionCheck: true };
  }

  /** The name of a key of ours beside BullMQ's own. */
  key(...parts: string[]): string {
    return [this.prefix, ...parts].join(":");
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.runs.close(), this.flow.close()]);
  }
}
