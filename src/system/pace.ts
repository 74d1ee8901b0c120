import type { Clock } from "./clock.ts";

/** What one script call did. */
export interface PageCost {
  readonly keys: number;
  /** How long it held the server. */
  readonly heldMs: number;
}

/** Below this share of the server's time others are not noticed: it is what our own connection costs. */
const QUIET_SHARE = 0.1;
const LONGEST_PAUSE_MS = 100;
const LOOK_MS = 200;

/**
 * How long to leave Redis alone between two script calls. Of the time that others leave it, pruning takes as small a
 * share as they leave: on a server that others keep busy half of the time it works half of the rest.
 * `maxKeysPerSecond` bounds the whole.
 */
export class Pace {
  readonly #maxKeysPerSecond: number | undefined;
  readonly #clock: Clock;
  /** How many seconds of CPU time the server has used so far. */
  readonly #cpuSeconds: () => Promise<number>;
  readonly #startedAtMs: number;
  #keys = 0;
  #heldMs = 0;
  #othersShare = 0;
  #last: { readonly atMs: number; readonly cpuSeconds: number; readonly heldMs: number } | undefined;

  constructor(maxKeysPerSecond: number | undefined, clock: Clock, cpuSeconds: () => Promise<number>) {
    this.#maxKeysPerSecond = maxKeysPerSecond;
    this.#clock = clock;
    this.#cpuSeconds = cpuSeconds;
    this.#startedAtMs = clock.elapsed();
  }

  /** Resolves when the next call may be made; at once when `signal` aborts. */
  async after({ keys, heldMs }: PageCost, signal: AbortSignal): Promise<void> {
    this.#keys += keys;
    this.#heldMs += heldMs;
    await this.#look();
    const pauseMs = Math.max(this.#politeness(heldMs), this.#surplus());
    if (pauseMs >= 1) await this.#clock.sleep(pauseMs, signal);
  }

  /** What the server did since the last look and not for us was for others. */
  async #look(): Promise<void> {
    const atMs = this.#clock.elapsed();
    if (this.#last !== undefined && atMs - this.#last.atMs < LOOK_MS) return;
    const next = { atMs, cpuSeconds: await this.#cpuSeconds(), heldMs: this.#heldMs };
    if (this.#last !== undefined) {
      const busyMs = 1_000 * (next.cpuSeconds - this.#last.cpuSeconds);
      const othersMs = busyMs - (next.heldMs - this.#last.heldMs);
      this.#othersShare = Math.min(1, Math.max(0, othersMs / (atMs - this.#last.atMs)));
    }
    this.#last = next;
  }

  #politeness(heldMs: number): number {
    const share = this.#othersShare;
    if (share <= QUIET_SHARE) return 0;
    return Math.min((heldMs * share) / Math.max(0.01, 1 - share), LONGEST_PAUSE_MS);
  }

  /** How far ahead of the allowed rate it is. */
  #surplus(): number {
    if (this.#maxKeysPerSecond === undefined) return 0;
    const dueMs = (1_000 * this.#keys) / this.#maxKeysPerSecond;
    return dueMs - (this.#clock.elapsed() - this.#startedAtMs);
  }
}
