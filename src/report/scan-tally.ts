import { formatDuration } from "../config/duration.ts";
import type { Scan } from "./report.ts";

/** What is known of one step of a scan. */
export interface ScanStep {
  readonly scanned: number;
  readonly matched: number;
  readonly removed: number;
  readonly bytes: number;
  /** Results of Celery that have no TTL. */
  readonly endless: number;
  readonly heldMs: number;
}

/** Adds up a scan of Redis as it goes on. */
export class ScanTally {
  readonly #target: string;
  readonly #startedAtMs: number;
  readonly #sum = { keys: 0, matched: 0, removed: 0, bytes: 0, pages: 0 };
  #endless = 0;
  #worstPageMs = 0;

  constructor(target: string, nowMs: number) {
    this.#target = target;
    this.#startedAtMs = nowMs;
  }

  add({ scanned, matched, removed, bytes, endless, heldMs }: ScanStep): void {
    this.#sum.keys += scanned;
    this.#sum.matched += matched;
    this.#sum.removed += removed;
    this.#sum.bytes += bytes;
    this.#sum.pages += heldMs > 0 ? 1 : 0;
    this.#endless += endless;
    this.#worstPageMs = Math.max(this.#worstPageMs, heldMs);
  }

  /** How far it is, how fast it goes, and how long it will take, of so many keys in all. */
  progress(size: number, nowMs: number): string {
    const { keys } = this.#sum;
    const perSecond = this.#perSecond(nowMs);
    const percent = size === 0 ? 100 : Math.min(100, Math.floor((100 * keys) / size));
    const left =
      perSecond === 0 ? "" : `, ${formatDuration(Math.max(0, (1_000 * (size - keys)) / perSecond))} left`;
    return `${this.#target}, ${percent} %, ${perSecond.toLocaleString("en")} keys/s${left}`;
  }

  result(nowMs: number): Scan {
    return {
      target: this.#target,
      ...this.#sum,
      durationMs: Math.round(nowMs - this.#startedAtMs),
      keysPerSecond: this.#perSecond(nowMs),
      worstPageMs: Math.round(10 * this.#worstPageMs) / 10,
      ...(this.#endless > 0 && { note: endlessResults(this.#endless) }),
    };
  }

  #perSecond(nowMs: number): number {
    const seconds = (nowMs - this.#startedAtMs) / 1_000;
    return seconds > 0 ? Math.round(this.#sum.keys / seconds) : 0;
  }
}

/** Celery gives its results a TTL of `result_expires`; none when that is None or 0. */
function endlessResults(amount: number): string {
  const which = amount === 1 ? "1 result has" : `${amount.toLocaleString("en")} results have`;
  return `${which} no TTL: with result_expires of None or 0 Celery never removes them`;
}
