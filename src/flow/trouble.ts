import type { Log } from "../../jobs/job.ts";
import { redactText } from "../config/redact.ts";
import { messageOf } from "../errors.ts";
import type { Clock } from "../system/clock.ts";

/*
 * What a worker hears from its connections. A Redis that is away comes back, and the connections with it; one that
 * says no goes on saying it, thousands of times a second.
 */

/** The same trouble is logged once in this time, with how often it came. */
const QUIET_MS = 30_000;

/** Error codes of a server that is there and says no. Scripts put their own words around them. */
const REFUSAL = /\b(NOPERM|NOAUTH|WRONGPASS|READONLY|OOM|MISCONF|CROSSSLOT|NOREPLICAS|CLUSTERDOWN)\b/;

/** Logs what connections complain of, each kind seldom: a refusal is one kind, however it is worded. */
export class Trouble {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #heard = new Map<string, { atMs: number; since: number }>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  note(error: unknown): void {
    const message = redactText(messageOf(error));
    const refusal = REFUSAL.exec(message)?.[1];
    this.#tell(refusal ?? message, message);
  }

  #tell(kind: string, message: string): void {
    const nowMs = this.#clock.now();
    const heard = this.#heard.get(kind);
    if (heard !== undefined && nowMs - heard.atMs < QUIET_MS) {
      heard.since += 1;
      return;
    }
    const again = heard !== undefined && heard.since > 0 ? { again: heard.since } : {};
    this.#log.warn({ error: message, ...again }, "trouble with Redis");
    this.#heard.set(kind, { atMs: nowMs, since: 0 });
  }
}
