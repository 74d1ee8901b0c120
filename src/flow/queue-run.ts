import { formatDuration } from "../config/duration.ts";
import { messageOf } from "../errors.ts";
import type { RunReport } from "../report/report.ts";
import type { Clock } from "../system/clock.ts";
import { isConnectionLoss } from "../system/redis-connection.ts";
import type { QueueClient, Submitted } from "./client.ts";
import type { QueueConnection } from "./connection.ts";
import { refusalIn } from "./refusals.ts";
import {
  type FollowOptions,
  interruptedWhileLost,
  lostWhileFollowed,
  perhapsQueued,
  type Run,
  unfinished,
  withoutReport,
} from "./run.ts";

interface QueueRunOptions {
  readonly connection: QueueConnection;
  /** Works for this host if nobody else does any more. */
  ensureWorker(): Promise<void>;
  /** The rest of the run, to be done in this process; `undefined` when that is not this process's to do. */
  finishHere(run: string): Promise<Run | undefined>;
  /**
   * Puts the run into the queue, however often it is called; answers the one that counts. There only where Redis was
   * lost while it was told, and may carry it out yet.
   */
  readonly submit?: (client: QueueClient) => Promise<Submitted>;
  readonly clock: Clock;
}

/** A short run should not wait for the next look; a long one should not ask all the time. */
const FIRST_LOOKS = { untilMs: 2_000, everyMs: 25 };
const LOOK_MS = 200;
/** Looking may take this part of the time, however many hosts there are. */
const LOOK_SHARE = 0.5;
const LONGEST_PAUSE_MS = 2_000;
const WORKER_CHECK_MS = 5_000;
/** A restart or a failover of Redis is over by then. */
const PATIENCE_MS = 120_000;
const RECONNECT_MS = 500;
/** A shorter loss is not worth a word. */
const TELL_MS = 2_000;

/** A run in the queue, or one that is put there when Redis is back. Whoever runs it, what Redis says of it is the truth. */
export class QueueRun implements Run {
  readonly engine = "queue";
  readonly #options: QueueRunOptions;
  #submitted: Submitted;
  #isQueued: boolean;
  #isCancelled = false;
  #isCancelTold = false;
  /** What is being finished in this process: from then on Redis is asked no more, also when it is back. */
  #finishing: Promise<Run | undefined> | undefined;
  #here: Run | undefined;
  #isHandedIn = false;

  constructor(id: string, attached: boolean, options: QueueRunOptions) {
    this.#submitted = { run: id, attached };
    this.#isQueued = options.submit === undefined;
    this.#options = options;
  }

  get id(): string {
    return this.#submitted.run;
  }

  get attached(): boolean {
    return this.#submitted.attached;
  }

  async report(follow: FollowOptions = {}): Promise<RunReport> {
    const { clock } = this.#options;
    const startedAtMs = clock.elapsed();
    let checkedAtMs = startedAtMs;
    for (;;) {
      follow.signal?.throwIfAborted();
      let lookedAtMs = clock.elapsed();
      const state = await this.#patiently(follow, startedAtMs, async () => {
        const client = await this.#options.connection.client();
        await this.#ensureQueued(client, follow);
        await this.#ensureCancelTold(client);
        if (clock.elapsed() - checkedAtMs >= WORKER_CHECK_MS) {
          await this.#options.ensureWorker();
          checkedAtMs = clock.elapsed();
        }
        lookedAtMs = clock.elapsed(); // what was spent on waiting for Redis is no cost of looking
        return client.stateOf(this.id, { withView: follow.onView !== undefined });
      });
      if (state === undefined) return this.#lost(follow);
      if ("view" in state && state.view !== undefined) follow.onView?.(state.view);
      if (state.state === "finished") return state.report;
      if (state.state === "unknown") throw withoutReport(this.id, "Redis has forgotten it; start it again");
      if (state.state === "broken") throw withoutReport(this.id, state.reason);
      const nowMs = clock.elapsed();
      if (nowMs - startedAtMs > (follow.withinMs ?? Number.POSITIVE_INFINITY))
        throw unfinished(this.id, follow, this.engine);
      const pauseMs = nowMs - startedAtMs < FIRST_LOOKS.untilMs ? FIRST_LOOKS.everyMs : LOOK_MS;
      const restMs = Math.max(pauseMs, Math.min((nowMs - lookedAtMs) / LOOK_SHARE, LONGEST_PAUSE_MS));
      await clock.sleep(restMs, follow.signal);
    }
  }

  async cancel(): Promise<void> {
    this.#isCancelled = true;
    if (this.#here !== undefined) return this.#here.cancel();
    if (!this.#isQueued) return; // told with the next look
    await this.#options.connection.ask((client) => client.cancel(this.id));
    this.#isCancelTold = true;
  }

  /** It is told again under the same id: should Redis have carried it out meanwhile, or do so later, that is one run. */
  async #ensureQueued(client: QueueClient, { onTrouble }: FollowOptions): Promise<void> {
    const { submit } = this.#options;
    if (this.#isQueued || submit === undefined) return;
    if (this.#isCancelled) await client.forbid(this.id); // before anybody takes it up
    this.#submitted = await submit(client);
    this.#isQueued = true;
    if (this.attached) onTrouble?.(`${this.id} is going on already: following it.`);
  }

  /** What Redis was not there to hear when it was asked for; a run that has ended by now has a report. */
  async #ensureCancelTold(client: QueueClient): Promise<void> {
    if (!this.#isCancelled || this.#isCancelTold) return;
    await client.forbid(this.id);
    this.#isCancelTold = true;
  }

  /** Lives through a Redis that is away, or refuses, for a while; `undefined` when the run is to be ended without it. */
  async #patiently<T>(
    follow: FollowOptions,
    followedSinceMs: number,
    ask: () => Promise<T>,
  ): Promise<T | undefined> {
    const { onTrouble, withinMs = Number.POSITIVE_INFINITY } = follow;
    const { clock, connection } = this.#options;
    const startedAtMs = clock.elapsed();
    let isTold = false;
    for (;;) {
      if (this.#finishing !== undefined) return undefined;
      try {
        const answer = await ask();
        if (isTold) onTrouble?.(`Redis is back; following ${this.id} again.`);
        return answer;
      } catch (error) {
        if (!isConnectionLoss(error) && refusalIn(error) === undefined) throw error;
        const lostMs = clock.elapsed() - startedAtMs;
        if (clock.elapsed() - followedSinceMs > withinMs)
          throw this.#isQueued ? unfinished(this.id, follow, this.engine) : perhapsQueued(this.id);
        follow.signal?.throwIfAborted();
        if (lostMs > PATIENCE_MS) return undefined;
        if (!isTold && lostMs > TELL_MS) {
          const what = `Redis is of no use (${messageOf(error)})`;
          onTrouble?.(`${what}: waiting for it, up to ${formatDuration(PATIENCE_MS)}.`);
          isTold = true;
        }
        await clock.sleep(RECONNECT_MS, follow.signal);
        await connection.reconnect().catch(() => undefined); // the next question says why
      }
    }
  }

  async #lost(follow: FollowOptions): Promise<RunReport> {
    const isKnown = this.#finishing !== undefined;
    if (this.#isCancelled && !isKnown) throw interruptedWhileLost(this.id, this.#isCancelTold);
    this.#here = await this.#finish();
    if (this.#here === undefined) throw this.#isQueued ? lostWhileFollowed(this.id) : perhapsQueued(this.id);
    if (this.#isCancelled) await this.#here.cancel();
    if (!isKnown) follow.onTrouble?.("Redis did not come back: doing the rest in this process, without it.");
    const report = await this.#here.report(follow);
    await this.#handIn(report, follow);
    return report;
  }

  /** However many follow the run here, it is finished once. */
  async #finish(): Promise<Run | undefined> {
    this.#finishing ??= this.#options.finishHere(this.id);
    const here = await this.#finishing;
    if (here === undefined) this.#finishing = undefined;
    return here;
  }

  /** What was finished here must not be taken up by another worker later on, and its report is the run's. */
  async #handIn(report: RunReport, { onTrouble }: FollowOptions): Promise<void> {
    if (this.#isHandedIn) return;
    try {
      const client = await this.#options.connection.client();
      await client.keep(report);
      await client.forbid(this.id);
      this.#isHandedIn = true;
    } catch {
      onTrouble?.(
        `When Redis is back, what is left there of the run is to go: safe-shutdown cancel ${this.id}`,
      );
    }
  }
}
