import type { Clock } from "../system/clock.ts";
import { EXPIRY_MS, HEARTBEAT_MS } from "./hosts.ts";

/** Everybody's next heartbeat comes within this. */
export const RETURN_MS = 2 * HEARTBEAT_MS;

/**
 * A worker's own heartbeat, as the measure of everybody's: where Redis was lost, or refused, for longer than one lives, all
 * are gone, and nobody is dead.
 */
export class Pulse {
  readonly #clock: Clock;
  #beatAtMs: number;
  #returnedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beatAtMs = clock.elapsed();
  }

  /** Redis has taken a heartbeat. */
  beat(): void {
    const nowMs = this.#clock.elapsed();
    if (nowMs - this.#beatAtMs > EXPIRY_MS) this.#returnedAtMs = nowMs;
    this.#beatAtMs = nowMs;
  }

  /** Whether heartbeats have lapsed, and those of others may not be back yet. */
  get hasLapsed(): boolean {
    const nowMs = this.#clock.elapsed();
    return nowMs - this.#beatAtMs > EXPIRY_MS || nowMs - this.#returnedAtMs < RETURN_MS;
  }
}
