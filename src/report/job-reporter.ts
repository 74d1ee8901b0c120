import {
  type Effect,
  type Item,
  type JobReport,
  type JobStatus,
  noTotals,
  type Outcome,
  type Scan,
  type StrayFacts,
  type System,
} from "./report.ts";
import { countOf } from "./words.ts";

/** How many items per outcome a report keeps; the totals count them all. */
export const ITEMS_KEPT = 1_000;

/** What a running job tells of itself, for whoever watches. */
export interface Progress {
  readonly totals: Readonly<JobReport["totals"]>;
  /** What it waits for right now. */
  readonly waitingFor?: string;
}

/** An item that stands for many keys. */
type KeyItem = Required<Pick<Item, "target" | "outcome" | "reason">>;

/** What came of an action on a target, and what it is if it is a stray. */
interface Told {
  readonly target: string;
  readonly effect: Effect;
  readonly stray?: StrayFacts | undefined;
}

/** Targets of one outcome. */
interface Alike {
  readonly outcome: Outcome;
  readonly amount: number;
  readonly bytes?: number;
  readonly named: readonly Pick<Item, "target" | "reason">[];
}

/** What a job hands over at its end. */
export interface JobResult {
  readonly report: JobReport;
  /** Only from `check-system`. */
  readonly system?: System;
  /** A safety rule stopped the job, such as a limit. */
  readonly refused?: true;
}

/** The report of one job while it is being written. */
export class JobReporter {
  readonly #job: string;
  readonly #host: string;
  readonly #onProgress: (progress: Progress) => void;
  readonly #items: Item[] = [];
  readonly #perOutcome: Record<Outcome, number> = { done: 0, planned: 0, kept: 0, changed: 0, failed: 0 };
  readonly #totals = noTotals();
  readonly #keys = new Map<string, { item: KeyItem; noun: string; keys: number }>();
  readonly #incomplete: string[] = [];
  readonly #scans: Scan[] = [];
  #truncated = false;
  #isRefused = false;
  #system: System | undefined;

  constructor(job: string, host: string, onProgress: (progress: Progress) => void = () => {}) {
    this.#job = job;
    this.#host = host;
    this.#onProgress = onProgress;
  }

  /** A candidate that stays as it is, and why. */
  kept(target: string, reason: string, stray?: StrayFacts): void {
    this.addMany([{ target, effect: { outcome: "kept", reason }, stray }]);
  }

  /** What came of an action on a target. */
  add(target: string, effect: Effect, stray?: StrayFacts): void {
    this.addMany([{ target, effect, stray }]);
  }

  /** The same for many at once: whoever watches is told once. */
  addMany(many: readonly Told[]): void {
    for (const { target, effect, stray } of many) {
      const { outcome, reason } = effect;
      this.#perOutcome[outcome] += 1;
      if (this.#perOutcome[outcome] > ITEMS_KEPT) this.#truncated = true;
      else this.#items.push({ target, outcome, ...(reason !== undefined && { reason }), ...stray });
      this.#count(outcome, 1, "bytes" in effect ? effect.bytes : 0);
    }
    this.#onProgress({ totals: this.#totals });
  }

  /** Many of one outcome, of which as many are named as `namesWanted` said. */
  addAlike({ outcome, amount, bytes = 0, named }: Alike): void {
    const room = this.namesWanted(outcome);
    this.#perOutcome[outcome] += amount;
    if (this.#perOutcome[outcome] > ITEMS_KEPT) this.#truncated = true;
    for (const { target, reason } of named.slice(0, room))
      this.#items.push({ target, outcome, ...(reason !== undefined && { reason }) });
    this.#count(outcome, amount, bytes);
    this.#onProgress({ totals: this.#totals });
  }

  /** How many more targets of an outcome the report would name. */
  namesWanted(outcome: Outcome): number {
    return Math.max(0, ITEMS_KEPT - this.#perOutcome[outcome]);
  }

  /** Keys of a rule (or what `noun` says), which share one item per reason: `12 keys older than 8m`. May be told page by page. */
  countKeys(item: KeyItem, keys: number, bytes = 0, noun = "key"): void {
    const name = `${item.target} ${item.outcome} ${item.reason}`;
    const known = this.#keys.get(name);
    this.#keys.set(name, { item, noun, keys: (known?.keys ?? 0) + keys });
    this.#count(item.outcome, keys, bytes);
    this.#onProgress({ totals: this.#totals });
  }

  /** What the job waits for right now. */
  waitingFor(what: string): void {
    this.#onProgress({ totals: this.#totals, waitingFor: what });
  }

  /** Whether nothing was told yet. */
  get isEmpty(): boolean {
    return this.#items.length === 0 && this.#keys.size === 0;
  }

  /** What an earlier attempt at the same job did was done, and is in this report too; what it kept is looked at again. */
  carryOver(earlier: JobReporter): void {
    const { done, bytes } = earlier.#totals;
    if (done === 0) return;
    this.#items.push(...earlier.#items.filter(({ outcome }) => outcome === "done"));
    for (const [name, counted] of earlier.#keys) {
      if (counted.item.outcome === "done") this.#keys.set(name, { ...counted });
    }
    this.#perOutcome.done += earlier.#perOutcome.done;
    this.#totals.done += done;
    this.#totals.bytes += bytes;
  }

  /** The job did not reach its goal, though nothing failed by itself. */
  incomplete(reason: string): void {
    this.#incomplete.push(reason);
  }

  /** A safety rule kept the job from something; what else it has to do, it did. */
  refused(reason: string): void {
    if (!this.#incomplete.includes(reason)) this.#incomplete.push(reason);
    this.#isRefused = true;
  }

  /** How the scan for a rule of Redis went. */
  scanned(scan: Scan): void {
    this.#scans.push(scan);
  }

  /** What `check-system` saw. */
  saw(system: System): void {
    this.#system = system;
  }

  /** The finished report. `ending` overrides the status that follows from what was told. */
  finish(
    durationMs: number,
    ending: { status?: JobStatus; reason?: string; refused?: boolean } = {},
  ): JobResult {
    const failed = this.#totals.failed;
    const reasons = [...this.#incomplete];
    if (ending.reason !== undefined) reasons.unshift(ending.reason);
    const status = ending.status ?? (failed > 0 || reasons.length > 0 ? "partial" : "done");
    return {
      report: {
        job: this.#job,
        host: this.#host,
        status,
        ...(reasons.length > 0 && { reason: reasons.join("; ") }),
        durationMs: Math.round(durationMs),
        totals: { ...this.#totals },
        items: [...this.#items, ...this.#keyItems()],
        truncated: this.#truncated,
        ...(this.#scans.length > 0 && { scans: this.#scans }),
      },
      ...(this.#system !== undefined && { system: this.#system }),
      ...((ending.refused === true || this.#isRefused) && { refused: true }),
    };
  }

  #count(outcome: Outcome, amount: number, bytes: number): void {
    this.#totals[outcome] += amount;
    this.#totals.bytes += bytes;
  }

  #keyItems(): Item[] {
    return [...this.#keys.values()].map(({ item, noun, keys }) => ({
      ...item,
      reason: `${countOf(keys, noun)} ${item.reason}`,
    }));
  }
}
