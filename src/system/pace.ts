import type { Clock } from "./clock.ts";

/** What a script call cost, in milliseconds: on the server, and from asking to the answer. */
export interface PageCost {
  readonly keys: number;
  readonly heldMs: number;
  readonly roundTripMs: number;
}

/** Waits shorter than this are the network's, or chance. */
const NOISE_MS = 1;
const LONGEST_PAUSE_MS = 100;
/** How fast the usual wait follows what is seen. */
const FORGETTING = 0.05;

/**
 * How long to leave Redis alone between two script calls. A call that had to wait longer than usual for its turn had
 * other clients before it: then they are given as much time again. `maxKeysPerSecond` bounds the whole.
 */
export class Pace {
  readonly #maxKeysPerSecond: number | undefined;
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  #keys = 0;
  #usualWaitMs = Number.POSITIVE_INFINITY;

  constructor(maxKeysPerSecond: number | undefined, clock: Clock) {
    this.#maxKeysPerSecond = maxKeysPerSecond;
    this.#clock = clock;
    this.#startedAtMs = clock.elapsed();
  }

  /** Resolves when the next call may be made; at once when `signal` aborts. */
  async after({ keys, heldMs, roundTripMs }: PageCost, signal: AbortSignal): Promise<void> {
    this.#keys += keys;
    const pauseMs = Math.max(this.#politeness(Math.max(0, roundTripMs - heldMs)), this.#surplus());
    if (pauseMs >= NOISE_MS) await this.#clock.sleep(pauseMs, signal);
  }

  /** The usual wait is the shortest of late: it grows slowly, so that a busy hour does not pass for a quiet one. */
  #politeness(waitMs: number): number {
    const usualMs = Math.min(waitMs, this.#usualWaitMs);
    this.#usualWaitMs = Number.isFinite(this.#usualWaitMs)
      ? usualMs + FORGETTING * (waitMs - usualMs)
      : waitMs;
    const excessMs = waitMs - usualMs - NOISE_MS;
    return Math.min(Math.max(0, excessMs), LONGEST_PAUSE_MS);
  }

  /** How far ahead of the allowed rate it is. */
  #surplus(): number {
    if (this.#maxKeysPerSecond === undefined) return 0;
    const dueMs = (1_000 * this.#keys) / this.#maxKeysPerSecond;
    return dueMs - (this.#clock.elapsed() - this.#startedAtMs);
  }
}
