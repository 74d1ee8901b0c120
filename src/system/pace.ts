import type { Clock } from "./clock.ts";

/** What one script call did. */
export interface CallCost {
  /** Keys that it looked at. */
  readonly matched: number;
  /** How long it held the server. */
  readonly heldMs: number;
}

/** What a server has done since it started. */
export interface ServerWork {
  readonly cpuSeconds: number;
  /** Requests that it read, of all clients; `NaN` where it does not tell. */
  readonly requests: number;
}

export interface PaceOptions {
  readonly maxKeysPerSecond: number | undefined;
  /** How many calls may be on their way at once while nobody else asks the server for anything. */
  readonly callers: number;
  readonly clock: Clock;
  readonly work: () => Promise<ServerWork>;
  /** Resolves when the server has answered everybody who had asked it before. */
  readonly allAnswered: () => Promise<unknown>;
}

/** Below this share of the server's time others are not noticed: it is what our own connection costs. */
const QUIET_SHARE = 0.1;
/** Workers that wait for work, and whoever follows our own run, ask for less than that. */
const FEW_REQUESTS_PER_SECOND = 200;
const LONGEST_PAUSE_MS = 100;
const LOOK_MS = 200;

interface Look extends ServerWork {
  readonly atMs: number;
  readonly heldMs: number;
  readonly asked: number;
}

/**
 * When the next script call may be made. One at a time, and between two of them everybody else is answered. While
 * nobody else is there, two are on their way at once, of half the length each, so that the server does not wait for us.
 * Of the time that others leave it, pruning takes as small a share as they leave: on a server that others keep busy
 * half of the time it works half of the rest. `maxKeysPerSecond` bounds the whole.
 */
export class Pace {
  readonly #options: PaceOptions;
  readonly #startedAtMs: number;
  #matched = 0;
  #heldMs = 0;
  #asked = 0;
  #othersShare = 0;
  #last: Look | undefined;
  #isLooking = false;
  #isAlone = false;
  #going = 0;
  #notBeforeMs = 0;
  #waiting: (() => void)[] = [];

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.elapsed();
  }

  /**
   * Makes a call when it is time to. `call` is told which part of the latency budget it has: others wait for all calls
   * that are on their way. Throws when aborted before.
   */
  async next<T extends CallCost>(call: (part: number) => Promise<T>, signal: AbortSignal): Promise<T> {
    while (this.#going >= this.#atOnce()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#going += 1;
    try {
      await this.#look();
      const { clock } = this.#options;
      const pauseMs = this.#notBeforeMs - clock.elapsed();
      if (pauseMs > 0) await clock.sleep(pauseMs, signal);
      await this.#giveWay();
      signal.throwIfAborted();
      this.#asked += 1;
      const cost = await call(1 / Math.max(this.#atOnce(), this.#going));
      this.#count(cost);
      return cost;
    } finally {
      this.#going -= 1;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  #atOnce(): number {
    return this.#isAlone ? this.#options.callers : 1;
  }

  /**
   * Redis sends its answers when it has done all that it has read. Who asked during a call would wait for the next one,
   * too, if both came along together, as on a machine of few processors they do (measured: a p99 of 3 to 5 ms in the
   * place of 2.5).
   */
  async #giveWay(): Promise<void> {
    if (this.#isAlone) return;
    this.#asked += 1;
    await this.#options.allAnswered();
  }

  #count({ matched, heldMs }: CallCost): void {
    this.#matched += matched;
    this.#heldMs += heldMs;
    const pauseMs = Math.max(this.#politeness(heldMs), this.#surplus());
    if (pauseMs >= 1) this.#notBeforeMs = this.#options.clock.elapsed() + pauseMs;
  }

  /** What the server did since the last look and not for us was for others. */
  async #look(): Promise<void> {
    const { clock, work } = this.#options;
    const atMs = clock.elapsed();
    if (this.#isLooking || (this.#last !== undefined && atMs - this.#last.atMs < LOOK_MS)) return;
    this.#isLooking = true;
    try {
      this.#asked += 1;
      const next = { ...(await work()), atMs, heldMs: this.#heldMs, asked: this.#asked };
      if (this.#last !== undefined) {
        const since = difference(next, this.#last);
        const othersMs = 1_000 * since.cpuSeconds - since.heldMs;
        this.#othersShare = Math.min(1, Math.max(0, othersMs / since.atMs));
        const hasFewRequests = since.requests - since.asked < (FEW_REQUESTS_PER_SECOND * since.atMs) / 1_000;
        this.#isAlone = hasFewRequests && this.#othersShare <= QUIET_SHARE;
      }
      this.#last = next;
    } finally {
      this.#isLooking = false;
    }
  }

  #politeness(heldMs: number): number {
    const share = this.#othersShare;
    if (share <= QUIET_SHARE) return 0;
    return Math.min((heldMs * share) / Math.max(0.01, 1 - share), LONGEST_PAUSE_MS);
  }

  /** How far ahead of the allowed rate it is. */
  #surplus(): number {
    const { maxKeysPerSecond, clock } = this.#options;
    if (maxKeysPerSecond === undefined) return 0;
    const dueMs = (1_000 * this.#matched) / maxKeysPerSecond;
    return dueMs - (clock.elapsed() - this.#startedAtMs);
  }
}

function difference(now: Look, before: Look): Look {
  return {
    atMs: now.atMs - before.atMs,
    cpuSeconds: now.cpuSeconds - before.cpuSeconds,
    requests: now.requests - before.requests,
    heldMs: now.heldMs - before.heldMs,
    asked: now.asked - before.asked,
  };
}
