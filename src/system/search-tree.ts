import type { Crew } from "./crew.ts";
import type { Directories } from "./directory.ts";
import type { FindRule, Search } from "./search.ts";
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

interface TreeSearchOptions<Rule extends FindRule> {
  readonly directories: Directories;
  readonly search: Search<Rule>;
  readonly preserve: readonly string[] | undefined;
  readonly crew: Crew;
  /** Told what there is in a directory that may go as a unit, where that was looked at on the way. */
  readonly units: Units;
}

/** Walks the whole tree: in this process, and, once it turns out to be large, with sweepers. */
export async function* searchTree<Rule extends FindRule>({
  directories,
  search,
  preserve,
  crew,
  units,
}: TreeSearchOptions<Rule>): AsyncGenerator<readonly Found<Rule>[]> {
  const pending: Pending[] = [{ path: "" }];
  yield* walk(directories, search, pending, { budget: { entries: crew.calledAfter } });
  if (pending.length === 0) return;
  const sweepers = crew.call(search.rules, preserve);
  const orders: Order[] = [];
  let areUp = false;
  for (;;) {
    giveOrders();
    if (!areUp) yield* walk(directories, search, pending, { budget: { entries: MEANWHILE } });
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
    const swept = sweepers === undefined ? Promise.resolve(undefined) : sweepers.walk(paths);
    const up = () => {
      areUp = true;
    };
    swept.then(up, up);
    return { paths, swept };
  }

  function* told({ entries, rules, kept, contents, large }: Swept): Generator<readonly Found<Rule>[]> {
    for (const [directory, what] of contents) units.note(directory, what);
    yield [
      ...entries.flatMap((entry, index) => {
        const rule = search.rules[rules[index] ?? -1];
        return rule === undefined ? [] : [{ rule, path: entry.path, entry }];
      }),
      ...kept.flatMap(({ rule: index, ...why }) => {
        const rule = search.rules[index];
        return rule === undefined ? [] : [{ rule, ...why }];
      }),
    ];
    for (const path of large) {
      const own: Pending[] = [{ path }];
      yield* walk(directories, search, own, { budget: { entries: 1 } });
      pending.push(...own);
    }
  }
}
