import type { Clock } from "./clock.ts";
import type { Crew } from "./crew.ts";
import type { Directories } from "./directory.ts";
import type { Policy } from "./judge.ts";
import type { FindRule, Search } from "./search.ts";
import { Lot, type Swath } from "./swath.ts";
import type { WalkOrder } from "./sweep-orders.ts";
import type { Swept } from "./sweepers.ts";
import type { Units } from "./units.ts";
import { type Found, type Pending, walk } from "./walk.ts";

/** Directories that go to a sweeper at once. */
const SHARE = 32;
/** Walks that each sweeper is given ahead of what is told: more would be faster by little, and take memory. */
const AHEAD = 2;
/** What this process walks at once while the sweepers are starting. */
const MEANWHILE = 500;

interface Order {
  readonly paths: readonly string[];
  readonly swept: Promise<Swept | undefined>;
}

/** What was found, and what was judged on the way. */
export interface Handful<Rule extends FindRule> {
  readonly found: readonly Found<Rule>[];
  readonly swath?: Swath<Rule>;
}

interface TreeSearchOptions<Rule extends FindRule> {
  readonly directories: Directories;
  readonly search: Search<Rule>;
  readonly preserve: readonly string[] | undefined;
  readonly crew: Crew;
  /** Told what there is in a directory that may go as a unit, where that was looked at on the way. */
  readonly units: Units;
  /** What sweepers are to judge by, asked for when they are called. */
  readonly policy?: (() => Policy) | undefined;
  readonly clock: Clock;
}

/** Walks the whole tree: in this process, and, once it turns out to be large, with sweepers. */
export async function* searchTree<Rule extends FindRule>({
  directories,
  search,
  preserve,
  crew,
  units,
  policy: policyNow,
  clock,
}: TreeSearchOptions<Rule>): AsyncGenerator<Handful<Rule>> {
  const pending: Pending[] = [{ path: "" }];
  yield* own(pending, crew.calledAfter);
  if (pending.length === 0) return;
  const policy = policyNow?.();
  const sweepers = crew.call(search.rules, preserve, policy);
  const orders: Order[] = [];
  let areUp = false;
  for (;;) {
    giveOrders();
    if (!areUp) yield* own(pending, MEANWHILE);
    const next = areUp || pending.length === 0 ? orders.shift() : undefined;
    if (next === undefined && pending.length === 0) return;
    if (next === undefined) continue;
    const swept = await next.swept;
    const further = swept === undefined ? next.paths : swept.pending;
    pending.push(...further.map((path) => ({ path })));
    giveOrders(); // before what was found is thought about: nobody waits for that
    if (swept !== undefined) yield* told(swept);
    if (crew.sweepers === undefined) areUp = false; // there are none any more
  }

  function giveOrders(): void {
    while (orders.length < AHEAD * (sweepers?.amount ?? 0) && pending.length > 0) orders.push(order());
  }

  function order(): Order {
    const paths = pending.splice(-SHARE).map(({ path }) => path);
    const swept = sweepers === undefined ? Promise.resolve(undefined) : sweepers.walk(paths, judgeNow());
    const up = () => {
      areUp = true;
    };
    swept.then(up, up);
    return { paths, swept };
  }

  function judgeNow(): WalkOrder["judge"] {
    return policy && { nowMs: clock.now(), names: policy.namesWanted() };
  }

  function* told(swept: Swept): Generator<Handful<Rule>> {
    const { entries, rules, kept, contents, large } = swept;
    for (const [directory, what] of contents) units.note(directory, what);
    const found = [
      ...entries.flatMap((entry, index) => {
        const rule = search.rules[rules[index] ?? -1];
        return rule === undefined ? [] : [{ rule, path: entry.path, entry }];
      }),
      ...kept.flatMap(({ rule: index, ...why }) => {
        const rule = search.rules[index];
        return rule === undefined ? [] : [{ rule, ...why }];
      }),
    ];
    yield { found, ...swathOf(swept) };
    for (const path of large) {
      const alone: Pending[] = [{ path }];
      yield* own(alone, 1);
      pending.push(...alone);
    }
  }

  function swathOf(swept: Swept): { swath?: Swath<Rule> } {
    const { judged } = swept;
    if (judged === undefined || policy === undefined) return {};
    const { reasons } = policy;
    const candidates = new Map(search.rules.map((rule, index) => [rule, judged.candidates[index] ?? 0]));
    const lot = judged.lot && new Lot({ told: judged.lot, swept, rules: search.rules, reasons, units });
    return { swath: { candidates, staying: judged.staying, lot } };
  }

  function* own(paths: Pending[], entries: number): Generator<Handful<Rule>> {
    for (const found of walk(directories, search, paths, { budget: { entries } })) yield { found };
  }
}
