import type { PruneRule } from "../config/config.ts";
import type { SafeShutdownError } from "../errors.ts";
import type { Quota } from "./quota.ts";

/** What one page may remove at most, so that servers which are pruned at once can share what is left. */
const MOST_PER_PAGE = 20_000;

/** What a page came to. */
interface Taken {
  readonly matched: number;
  readonly removed: number;
  readonly bytes: number;
}

/** What may still be removed by a rule, shared by the passes over several servers. */
export class KeyRoom {
  readonly #quota: Quota;
  readonly #rule: PruneRule;
  #lent = 0;
  #waiting: (() => void)[] = [];

  constructor(quota: Quota, rule: PruneRule) {
    this.#quota = quota;
    this.#rule = rule;
  }

  /** It is lent to one at a time where a limit is on bytes: what keys take is known only when they are gone. */
  get isForOne(): boolean {
    return Number.isFinite(this.#quota.roomFor(this.#rule).bytes);
  }

  /** How many keys, to be settled, and how many bytes: fewer than a page may have only when nothing can come back. */
  async borrow(): Promise<{ readonly keys: number; readonly bytes: number | undefined }> {
    for (;;) {
      const { amount, bytes } = this.#quota.roomFor(this.#rule);
      const keys = Math.max(0, Math.min(amount - this.#lent, MOST_PER_PAGE));
      if (this.#lent === 0 || (keys === MOST_PER_PAGE && !this.isForOne)) {
        this.#lent += keys;
        return { keys, bytes: this.isForOne ? bytes : undefined };
      }
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** What became of what was borrowed; without a page nothing is known of it, and nothing counted. */
  settle(borrowed: number, page: Taken | undefined): void {
    this.#lent -= borrowed;
    if (page !== undefined) {
      this.#quota.looked(this.#rule, page.matched);
      this.#quota.count(page.removed, page.bytes, this.#rule);
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Counts back what a pass that is repeated had counted. */
  forget({ matched, removed, bytes }: Taken): void {
    this.#quota.looked(this.#rule, -matched);
    this.#quota.count(-removed, -bytes, this.#rule);
  }

  /** Which limit is reached. */
  refusal(): SafeShutdownError {
    return this.#quota.refusal(1, this.#rule);
  }
}
