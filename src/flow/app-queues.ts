import type { Queue } from "bullmq";
import type { QueueHands, QueueStep } from "../../jobs/job.ts";
import type { Config, QueueRule } from "../config/config.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Mode } from "../report/report.ts";
import type { Clock } from "../system/clock.ts";
import type { Quota } from "../system/quota.ts";
import type { RedisClient } from "../system/redis-client.ts";
import { connectRedis } from "../system/redis-connection.ts";

interface AppQueuesOptions {
  readonly config: Pick<Config, "redis" | "limits">;
  /** Shared with the hands on keys: `limits.keys` holds for both together. */
  readonly quota: Quota;
  readonly mode: Mode;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

type State = QueueRule["states"][number];

/** How many finished jobs are removed in one call: at first, and at most. */
const FIRST_BATCH = 50;
const LARGEST_BATCH = 1_000;
/** How many are read at once to see how old they are. */
const PLAN_BATCH = 200;

/** The hands on BullMQ queues of an application's own: through BullMQ's API, never by key. */
export class AppQueues implements QueueHands {
  readonly #options: AppQueuesOptions;

  constructor(options: AppQueuesOptions) {
    this.#options = options;
  }

  async *prune(rule: QueueRule): AsyncGenerator<QueueStep> {
    const redis = await connectRedis(rule.url, { db: rule.db, commandTimeout: 10_000 });
    const queue = await open(rule, redis);
    try {
      if ((await queue.getMeta()).version === undefined && (await isEmpty(queue))) {
        yield { removed: 0, kept: 0, isMissing: true };
        return;
      }
      for (const state of rule.states) {
        if (this.#options.mode === "plan") yield* this.#plan(queue, state, rule);
        else yield* this.#clean(queue, state, rule);
      }
    } finally {
      await queue.close();
      redis.disconnect();
    }
  }

  /** As many at once as BullMQ removes within the latency budget. */
  async *#clean(queue: Queue, state: State, { olderThanMs }: QueueRule): AsyncGenerator<QueueStep> {
    const { config, quota, clock, signal } = this.#options;
    const { latencyBudgetMs } = config.redis;
    let batch = FIRST_BATCH;
    for (;;) {
      signal.throwIfAborted();
      const amount = Math.min(batch, this.#room);
      if (amount <= 0) {
        if ((await oldIn(queue, state, clock.now() - olderThanMs, 0, 1)) === 0) break;
        throw this.#refusal();
      }
      quota.count(amount, 0, undefined); // before, as what is lost on the way may have been removed
      const startedAtMs = clock.elapsed();
      const removed = (await queue.clean(olderThanMs, amount, state)).length;
      quota.count(removed - amount, 0, undefined);
      yield { removed, kept: 0 };
      if (removed < amount) break;
      batch = clock.elapsed() - startedAtMs < latencyBudgetMs ? batch * 2 : batch / 2;
      batch = Math.min(Math.max(1, Math.floor(batch)), LARGEST_BATCH);
    }
    yield { removed: 0, kept: await queue.getJobCountByTypes(state) };
  }

  /** Finished jobs are sorted by when they finished: the first that is too young ends the look. */
  async *#plan(queue: Queue, state: State, { olderThanMs }: QueueRule): AsyncGenerator<QueueStep> {
    const { quota, clock, signal } = this.#options;
    const all = await queue.getJobCountByTypes(state);
    const before = clock.now() - olderThanMs;
    let old = 0;
    for (;;) {
      signal.throwIfAborted();
      const found = await oldIn(queue, state, before, old, PLAN_BATCH);
      if (found > this.#room) throw this.#refusal();
      quota.count(found, 0, undefined);
      old += found;
      yield { removed: found, kept: 0 };
      if (found < PLAN_BATCH) break;
    }
    yield { removed: 0, kept: all - old };
  }

  /** How many more jobs may go. What they take in memory is not known, so `limits.bytes` holds for keys alone. */
  get #room(): number {
    return this.#options.quota.roomFor(undefined).amount;
  }

  #refusal(): SafeShutdownError {
    return new SafeShutdownError(
      "refused",
      `limits.keys (${this.#options.config.limits.keys}) is reached: keys and finished jobs count together`,
    );
  }
}

/** Leaves the application's own settings of the queue as they are. */
async function open({ queue: name, prefix }: QueueRule, redis: RedisClient): Promise<Queue> {
  const { Queue } = await import("bullmq"); // loaded only where it is needed
  const queue = new Queue(name, { connection: redis, prefix, skipVersionCheck: true, skipMetasUpdate: true });
  queue.on("error", () => undefined); // what went wrong shows in the next call
  return queue;
}

/** How many of the so many jobs behind the first `from` finished before that. */
async function oldIn(
  queue: Queue,
  state: State,
  beforeMs: number,
  from: number,
  most: number,
): Promise<number> {
  const jobs = await queue.getJobs([state], from, from + most - 1, true);
  return jobs.filter(({ finishedOn = Number.POSITIVE_INFINITY }) => finishedOn <= beforeMs).length;
}

async function isEmpty(queue: Queue): Promise<boolean> {
  const counts = await queue.getJobCounts();
  return Object.values(counts).every((count) => count === 0);
}
