import type { Effect, Mode } from "../report/report.ts";
import { amountOf, bytesOf } from "./condemned.ts";
import type { Crew } from "./crew.ts";
import { isSimple, type Prepared, type RemovedHandful, removedOf } from "./prepared.ts";
import type { Quota } from "./quota.ts";
import { isUntouched } from "./remover.ts";
import type { Lot } from "./swath.ts";
import type { LotShare } from "./sweep-orders.ts";

export interface HandOverOptions {
  readonly mode: Mode;
  readonly crew: Crew;
  readonly quota: Quota;
  readonly signal: AbortSignal;
}

/** What the sweepers did of what they were given. */
interface Swept {
  readonly told: RemovedHandful;
  /** What they did not take, or could not tell of: it is left to the job. */
  readonly left: () => Promise<readonly Prepared[]>;
}

/** Gives to the sweepers what they can do, as far as there is room for it in the limits. */
export class HandOver {
  readonly #options: HandOverOptions;
  /** There was no room for one: what comes after it must not take its place. */
  #isFull = false;

  constructor(options: HandOverOptions) {
    this.#options = options;
  }

  /**
   * Gives the first of what was prepared that there is room for, none with more than `most` files; never rejects.
   * `undefined`: none of it was given.
   */
  give(prepared: readonly Prepared[], most: number): Promise<Swept> | undefined {
    const { crew, quota, mode, signal } = this.#options;
    const { sweepers } = crew;
    if (sweepers === undefined || mode === "plan" || signal.aborted || this.#isFull) return undefined;
    const given: Prepared[] = [];
    for (const one of prepared) {
      if (!isSimple(one, most)) continue;
      const { rule } = one.condemned;
      const room = quota.roomFor(rule);
      const [amount, bytes] = [amountOf(one.condemned), bytesOf(one.condemned)];
      this.#isFull = amount > room.amount || bytes > room.bytes;
      if (this.#isFull) break; // it is for the last look to say whether it goes: one by one from here
      quota.count(amount, bytes, rule);
      given.push(one);
    }
    if (given.length === 0) return undefined;
    return sweepers.remove(given.map(({ condemned }) => condemned)).then((effects) => {
      const known = new Map<Prepared, Effect>();
      for (const [index, one] of given.entries()) {
        const effect = effects[index];
        if (effect !== undefined) known.set(one, effect);
        if (effect !== undefined && !isUntouched(effect)) continue;
        const { condemned } = one;
        quota.count(-amountOf(condemned), -bytesOf(condemned), condemned.rule);
      }
      const left = async () => prepared.filter((one) => !known.has(one));
      return { told: { removed: removedOf(prepared, known) }, left };
    });
  }

  /** Takes room for a whole lot; `false`: there is not enough, and none was taken. */
  takeRoomFor(lot: Lot): boolean {
    if (this.#isFull) return false;
    for (const [index, share] of lot.shares.entries()) {
      const room = this.#options.quota.roomFor(lot.ruleOf(share));
      if (share.amount > room.amount || share.bytes > room.bytes) {
        this.#count(lot, lot.shares.slice(0, index), -1);
        return false;
      }
      this.#count(lot, [share], 1);
    }
    return true;
  }

  /** Gives a lot that room was taken for, and asks for so many names of what just went; never rejects. */
  async giveLot(lot: Lot, names: number): Promise<Swept> {
    const done = await lot.remove(names);
    this.#count(lot, done === undefined ? lot.shares : done.untouched, -1);
    if (done !== undefined) return { told: { removed: [], lot: done }, left: async () => [] };
    const left = async () => (await lot.open()).map((condemned) => ({ condemned }));
    return { told: { removed: [] }, left };
  }

  #count(lot: Lot, shares: readonly LotShare[], sign: 1 | -1): void {
    for (const share of shares)
      this.#options.quota.count(sign * share.amount, sign * share.bytes, lot.ruleOf(share));
  }
}
