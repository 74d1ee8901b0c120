import { formatExactSize } from "../config/size.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Mode } from "../report/report.ts";
import { countOf } from "../report/words.ts";

/** What one job may remove. */
interface Limits {
  readonly files: number;
  readonly keys: number;
  /** `undefined`: any amount. */
  readonly bytes: number | undefined;
}

/** A rule whose share of removed candidates is limited. */
export interface LimitedRule {
  /** 100: not limited. */
  readonly sharePercent?: number;
  readonly patterns?: readonly string[];
  readonly keys?: string;
}

/** How many candidates each rule had when the job was rehearsed, see `rehearse`. */
export type Rehearsed = ReadonlyMap<LimitedRule, number>;

/** Below so many candidates a share says nothing: one stale lock of one is no landslide. */
const SHARE_FLOOR = 10;

export interface QuotaOptions {
  readonly noun: "files" | "keys";
  readonly limits: Limits;
  readonly mode: Mode;
  readonly rehearsed?: Rehearsed | undefined;
}

/**
 * How much one job has removed, and may still remove. A plan counts the same, or it would promise what an apply
 * refuses.
 */
export class Quota {
  readonly #options: QuotaOptions;
  readonly #candidates = new Map<LimitedRule, number>();
  readonly #taken = new Map<LimitedRule, number>();
  #amount = 0;
  #bytes = 0;

  constructor(options: QuotaOptions) {
    this.#options = options;
  }

  /** So many candidates of a rule were looked at. */
  looked(rule: LimitedRule, amount = 1): void {
    this.#candidates.set(rule, (this.#candidates.get(rule) ?? 0) + amount);
  }

  /** How many candidates each rule had so far. */
  get candidates(): Rehearsed {
    return this.#candidates;
  }

  /** How many more of a rule there is room for, and how many bytes. */
  roomFor(rule: LimitedRule | undefined): { readonly amount: number; readonly bytes: number } {
    const { noun, limits } = this.#options;
    return {
      amount: Math.min(limits[noun] - this.#amount, this.#shareRoomOf(rule)),
      bytes: (limits.bytes ?? Number.POSITIVE_INFINITY) - this.#bytes,
    };
  }

  /** Takes room for what is about to be removed. Throws `refused` when there is not enough: then nothing was taken. */
  take(amount: number, bytes: number, rule: LimitedRule | undefined): void {
    const room = this.roomFor(rule);
    if (amount > room.amount || bytes > room.bytes) throw this.refusal(amount, rule);
    this.count(amount, bytes, rule);
  }

  /** Counts what was removed. */
  count(amount: number, bytes: number, rule: LimitedRule | undefined): void {
    this.#amount += amount;
    this.#bytes += bytes;
    if (rule !== undefined) this.#taken.set(rule, (this.#taken.get(rule) ?? 0) + amount);
  }

  /** Which limit leaves no room for so many more, as the end of the job. */
  refusal(amount: number, rule: LimitedRule | undefined): SafeShutdownError {
    const { noun, limits, mode } = this.#options;
    const done = `${countOf(this.#amount, noun.slice(0, -1))} ${verbFor(this.#amount, mode)} removed`;
    const isOfBytes = limits.bytes !== undefined && this.#amount + amount <= limits[noun];
    const limit =
      amount > this.#shareRoomOf(rule)
        ? `limits.share (${rule?.sharePercent}% of what ${nameOf(rule)} matches)`
        : isOfBytes
          ? `limits.bytes (${formatExactSize(limits.bytes)})`
          : `limits.${noun} (${limits[noun]})`;
    return new SafeShutdownError("refused", `${limit} is reached: ${done}`);
  }

  /** The rule of which more would go than its share, as a reason to remove nothing at all. */
  get landslide(): string | undefined {
    for (const [rule, candidates] of this.#candidates) {
      const { sharePercent = 100 } = rule;
      const taken = this.#taken.get(rule) ?? 0;
      if (candidates < SHARE_FLOOR || taken * 100 <= sharePercent * candidates) continue;
      return (
        `limits.share (${sharePercent}%) is passed: ${taken} of the ${countOf(candidates, "candidate")} of ` +
        `${nameOf(rule)} would go, so nothing was removed; --dry-run shows which`
      );
    }
    return undefined;
  }

  /** In a plan the share is judged at the end; an apply keeps to what its rehearsal saw. */
  #shareRoomOf(rule: LimitedRule | undefined): number {
    const { rehearsed } = this.#options;
    const { sharePercent = 100 } = rule ?? {};
    if (rule === undefined || rehearsed === undefined || sharePercent >= 100) return Number.POSITIVE_INFINITY;
    const candidates = rehearsed.get(rule) ?? 0;
    const most = candidates < SHARE_FLOOR ? SHARE_FLOOR - 1 : Math.floor((sharePercent * candidates) / 100);
    return most - (this.#taken.get(rule) ?? 0);
  }
}

function verbFor(amount: number, mode: Mode): string {
  if (mode === "plan") return "would be";
  return amount === 1 ? "was" : "were";
}

function nameOf(rule: LimitedRule | undefined): string {
  return rule?.keys ?? rule?.patterns?.join(", ") ?? "the rule";
}
