import type { Clock } from "./clock.ts";
import type { Crew } from "./crew.ts";
import type { Directories } from "./directory.ts";
import type { Policy } from "./judge.ts";
import type { Quota } from "./quota.ts";
import { type FindRule, Search } from "./search.ts";
import { type Handful, searchTree } from "./search-tree.ts";
import { Turns } from "./turns.ts";
import type { Units } from "./units.ts";
import type { Found } from "./walk.ts";

export interface FinderOptions {
  readonly directories: Directories;
  readonly crew: Crew;
  readonly units: Units;
  readonly quota: Quota;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What an earlier stage of the same plan would have ended already. */
  readonly presumed: { readonly paths: ReadonlySet<string> };
}

/** The hand that finds, for one job, and counts what it found. */
export class Finder {
  readonly #options: FinderOptions;

  constructor(options: FinderOptions) {
    this.#options = options;
  }

  /**
   * Streams what the rules mean, in handfuls; gives the event loop a turn now and then. Throws when aborted. Without a
   * preserve list it is for looking only: then nothing of it is a candidate. With a policy sweepers judge what they can.
   */
  async *find<Rule extends FindRule>(
    rules: readonly Rule[],
    preserve: readonly string[] | undefined,
    policy?: () => Policy,
  ): AsyncGenerator<Handful<Rule>> {
    const { directories, crew, units, quota, clock, signal, presumed } = this.#options;
    const turns = new Turns(clock);
    const search = new Search(rules, preserve);
    const tree = { directories, search, preserve, crew, units, policy, clock };
    for await (const { found: all, swath } of searchTree(tree)) {
      signal.throwIfAborted();
      const isThere = ({ path }: Found<Rule>) => !presumed.paths.has(path);
      const found = presumed.paths.size === 0 ? all : all.filter(isThere);
      if (preserve !== undefined)
        for (const { entry, rule } of found) if (entry !== undefined) quota.looked(rule);
      for (const [rule, amount] of swath?.candidates ?? []) quota.looked(rule, amount);
      if (found.length > 0 || swath !== undefined) yield { found, ...(swath && { swath }) };
      if (turns.isDue) await turns.take();
    }
    signal.throwIfAborted();
  }
}
