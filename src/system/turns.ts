import type { Clock } from "./clock.ts";

/** How long the event loop may be held before it gets a turn. */
const SLICE_MS = 10;

/** Long work in slices: the event loop gets its turns, so that locks are renewed and progress is shown. */
export class Turns {
  readonly #clock: Clock;
  #endsAtMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#endsAtMs = clock.elapsed() + SLICE_MS;
  }

  /** Whether the slice is over: then `take` a turn. */
  get isDue(): boolean {
    return this.#clock.elapsed() >= this.#endsAtMs;
  }

  async take(): Promise<void> {
    await this.#clock.breathe();
    this.#endsAtMs = this.#clock.elapsed() + SLICE_MS;
  }

  /** Does work that may be paused wherever it yields. */
  async through<T>(work: Generator<void, T>): Promise<T> {
    for (let step = work.next(); ; step = work.next()) {
      if (step.done === true) return step.value;
      if (this.isDue) await this.take();
    }
  }
}
