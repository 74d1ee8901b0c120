import type { Condemned } from "./condemned.ts";
import { unseal } from "./lot.ts";
import { entriesIn } from "./packed-entries.ts";
import type { FindRule } from "./search.ts";
import type { LotAnswer, LotShare, LotTold, Staying } from "./sweep-orders.ts";
import type { Swept } from "./sweepers.ts";
import type { Units } from "./units.ts";

/** What a sweeper judged by itself on one walk. */
export interface Swath<Rule extends FindRule> {
  /** How many candidates each rule had. */
  readonly candidates: ReadonlyMap<Rule, number>;
  readonly staying: Staying;
  readonly lot: Lot | undefined;
}

interface LotOptions {
  readonly told: LotTold;
  readonly swept: Swept;
  readonly rules: readonly FindRule[];
  readonly reasons: readonly string[];
  readonly units: Units;
}

/** What is to go by a sweeper's judgement: known here by its sums, as long as all goes well. */
export class Lot {
  /** For the manifest: one for each entry. */
  readonly lines: Uint8Array;
  readonly #options: LotOptions;

  constructor(options: LotOptions) {
    this.#options = options;
    this.lines = options.told.lines;
  }

  /** What limits count. */
  get shares(): readonly LotShare[] {
    return this.#options.told.shares;
  }

  ruleOf({ rule }: LotShare): FindRule | undefined {
    return this.#options.rules[rule];
  }

  /** Has it removed, and so many of it named; `undefined`: nobody could tell what came of it. */
  remove(names: number): Promise<LotAnswer | undefined> {
    return this.#options.swept.removeLot(names);
  }

  /** All that is in it, with the evidence. */
  async open(): Promise<readonly Condemned[]> {
    const { told, rules: known, reasons, units: looks } = this.#options;
    const { entries, contents, units, rules } = unseal(told);
    const unitOf = new Map(units.map((unit) => [unit.of, unit]));
    const opened: Condemned[] = [];
    for (const entry of entriesIn(entries)) {
      const index = rules[entry.index] ?? -1;
      const place = unitOf.get(entry.index);
      if (place !== undefined)
        looks.note(entry, { files: entriesIn(contents, place.from, place.to), obstacle: undefined });
      const unit = place && (await looks.of(entry, place.holding)).unit;
      opened.push({ entry, unit, rule: known[index], reason: reasons[index] ?? "" });
    }
    return opened;
  }
}
