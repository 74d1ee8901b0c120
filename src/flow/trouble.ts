import type { Log } from "../../jobs/job.ts";
import { redactText } from "../config/redact.ts";
import type { Clock } from "../system/clock.ts";
import { reasonIn, refusalIn } from "./refusals.ts";

/** The same trouble is logged once in this time, with how often it came. */
const QUIET_MS = 30_000;

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
    const message = redactText(reasonIn(error));
    this.#tell(refusalIn(error) ?? message.replace(/run-\S+/g, "run"), message);
  }

  #tell(kind: string, message: string): void {
    const nowMs = this.#clock.elapsed();
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
