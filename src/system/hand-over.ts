import type { Effect, Mode } from "../report/report.ts";
import { amountOf, bytesOf, type Condemned } from "./condemned.ts";
import type { Crew } from "./crew.ts";
import { isSimple, type Prepared } from "./prepared.ts";
import type { LimitedRule, Quota } from "./quota.ts";
import { isUntouched } from "./remover.ts";
import type { LotAnswer, LotShare } from "./sweep-orders.ts";

export interface HandOverOptions {
  readonly mode: Mode;
  readonly crew: Crew;
  readonly quota: Quota;
  readonly signal: AbortSignal;
}

/** What is to go by a sweeper's own judgement; see `Lot`. */
export interface LotOf<One> {
  readonly lines: Uint8Array;
  readonly shares: readonly LotShare[];
  ruleOf(share: LotShare): LimitedRule | undefined;
  remove(names: number): Promise<LotAnswer | undefined>;
  open(): Promise<readonly One[]>;
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
   * Gives the first of what was prepared that there is room for, none with more than `most` files; resolves with what
   * came of each, and never rejects. `undefined`: there are no sweepers.
   */
  give<One extends Condemned>(
    prepared: readonly Prepared<One>[],
    most: number,
  ): Promise<ReadonlyMap<Prepared<One>, Effect>> | undefined {
    const { crew, quota, mode, signal } = this.#options;
    const { sweepers } = crew;
    if (sweepers === undefined || mode === "plan" || signal.aborted || this.#isFull) return undefined;
    const given: Prepared<One>[] = [];
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
      const known = new Map<Prepared<One>, Effect>();
      for (const [index, one] of given.entries()) {
        const effect = effects[index];
        if (effect !== undefined) known.set(one, effect);
        if (effect !== undefined && !isUntouched(effect)) continue;
        const { condemned } = one;
        quota.count(-amountOf(condemned), -bytesOf(condemned), condemned.rule);
      }
      return known;
    });
  }

  /** Takes room for a whole lot; `false`: there is not enough, and none was taken. */
  takeRoomFor(lot: LotOf<unknown>): boolean {
    const { quota } = this.#options;
    const taken: LotShare[] = [];
    for (const share of this.#isFull ? [] : lot.shares) {
      const rule = lot.ruleOf(share);
      const room = quota.roomFor(rule);
      if (share.amount > room.amount || share.bytes > room.bytes) break;
      quota.count(share.amount, share.bytes, rule);
      taken.push(share);
    }
    if (taken.length === lot.shares.length) return true;
    this.giveBack(lot, taken);
    return false;
  }

  giveBack(lot: LotOf<unknown>, shares = lot.shares): void {
    for (const share of shares) this.#options.quota.count(-share.amount, -share.bytes, lot.ruleOf(share));
  }

  /** Gives a lot that room was taken for; resolves with what came of it, and never rejects. `undefined`: nobody could tell. */
  async giveLot(lot: LotOf<unknown>, names: number): Promise<LotAnswer | undefined> {
    const answer = await lot.remove(names);
    this.giveBack(
      lot,
      answer?.others.filter(({ effect }) => isUntouched(effect)),
    );
    return answer;
  }
}
