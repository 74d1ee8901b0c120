import type { Log } from "../../jobs/job.ts";
import { formatDuration } from "../config/duration.ts";
import { redactText } from "../config/redact.ts";
import { messageOf } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { addressOf } from "../system/redis-connection.ts";

/*
 * A Redis that is away comes back, and the connections with it. One that is there and says no (no permission, a
 * read-only replica, out of memory) goes on saying it, thousands of times a second, to a BullMQ worker that asks again
 * at once. So the worker rests, longer each time, and gives up when it has been refused for long.
 */

/** Error codes of a server that is there and says no. Scripts put their own words around them. */
const REFUSAL =
  /\b(NOPERM|NOAUTH|WRONGPASS|READONLY|OOM|MISCONF|CROSSSLOT|NOREPLICAS|CLUSTERDOWN|MASTERDOWN|BUSY)\b/;

/** The code of an error by which Redis refuses; `undefined` for any other error. */
export function refusalIn(error: unknown): string | undefined {
  return REFUSAL.exec(reasonIn(error))?.[1];
}

/** What Redis said. A transaction that was discarded tells why only in the errors before it. */
export function reasonIn(error: unknown): string {
  const before = error instanceof Error && "previousErrors" in error ? [error.previousErrors].flat() : [];
  return messageOf(before[0] ?? error);
}

/** What to say where the queue's Redis is there, and of no use. */
export function ofNoUse(url: string, error: unknown): string {
  return `Redis at ${addressOf(url)} is of no use for the queue: ${redactText(reasonIn(error))}`;
}

const FIRST_REST_MS = 1_000;
const LONGEST_REST_MS = 30_000;
/** Not refused for so long after a rest: it was the end of it. */
const CALM_MS = 10_000;
/** A failover or an operator's mistake is mended by then, or needs somebody to look. */
export const REFUSED_FOR_GOOD_MS = 5 * 60_000;

export interface RestOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Takes no job any more; must not wait for anything. */
  readonly rest: () => void;
  /** Takes jobs again. */
  readonly resume: () => void;
  /** Redis has refused for long: told once. */
  readonly giveUp: (lastWord: string) => void;
}

/** Makes a worker rest while Redis refuses. */
export class Refusals {
  readonly #options: RestOptions;
  readonly #over = new AbortController();
  #sinceMs: number | undefined;
  #restMs = FIRST_REST_MS;
  #isResting = false;
  #resumedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** Looks at what went wrong; answers whether it is a refusal, and was dealt with. */
  note(error: unknown): boolean {
    if (refusalIn(error) === undefined) return false;
    if (!this.#isResting) void this.#rest(redactText(reasonIn(error)));
    return true;
  }

  /** Ends a rest without going on. */
  stop(): void {
    this.#over.abort();
  }

  async #rest(reason: string): Promise<void> {
    const { clock, log, rest, resume, giveUp } = this.#options;
    if (this.#over.signal.aborted) return;
    this.#isResting = true;
    rest();
    const nowMs = clock.elapsed();
    if (nowMs - this.#resumedAtMs > CALM_MS) {
      this.#sinceMs = nowMs;
      this.#restMs = FIRST_REST_MS;
    }
    const refusedMs = nowMs - (this.#sinceMs ?? nowMs);
    if (refusedMs > REFUSED_FOR_GOOD_MS) {
      giveUp(`Redis has refused for ${formatDuration(refusedMs)}: ${reason}`);
      return;
    }
    log.warn({ error: reason, restMs: this.#restMs }, "Redis refuses: no job is taken for a while");
    await clock.sleep(this.#restMs, this.#over.signal);
    if (this.#over.signal.aborted) return;
    this.#restMs = Math.min(2 * this.#restMs, LONGEST_REST_MS);
    this.#resumedAtMs = clock.elapsed();
    this.#isResting = false;
    resume();
  }
}
