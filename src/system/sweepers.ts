import { availableParallelism } from "node:os";
import type { Effect } from "../report/report.ts";
import { bytesOf, type Condemned } from "./condemned.ts";
import type { Contents } from "./contents.ts";
import type { FileEntry } from "./file-entry.ts";
import { entriesIn, type PackedEntries, PackedEntry } from "./packed-entries.ts";
import { parcelOf } from "./parcel.ts";
import type { Judged, LotAnswer, RemoveOrder, SweepOrder, WalkAnswer, WalkOrder } from "./sweep-orders.ts";
import { Sweeper, SweeperLost } from "./sweeper.ts";

const MOST = 4;
/** How many of what no sweeper found go to one of them at once. */
const SHARE = 256;

/** What a sweeper found, in the words of `walk`. */
export interface Swept {
  readonly entries: readonly FileEntry[];
  /** Of each entry, its rule's place in the list. */
  readonly rules: readonly number[];
  readonly kept: WalkAnswer["kept"];
  readonly contents: ReadonlyMap<FileEntry, Contents>;
  readonly pending: readonly string[];
  readonly large: readonly string[];
  /** What was judged on the way. */
  readonly judged: Judged | undefined;
  /** Removes the lot that was judged to go, and names so many of it; `undefined`: nobody could tell what came of it. */
  readonly removeLot: (names: number) => Promise<LotAnswer | undefined>;
}

/** Who found something, in which of its walks. */
interface Origin {
  readonly sweeper: Sweeper;
  readonly walk: number;
}

/** What one sweeper is to remove, by the places in the list of who asked. */
interface Share {
  readonly sweeper: Sweeper | undefined;
  readonly order: RemoveOrder;
  readonly places: readonly number[];
}

/** A sweeper for each processor, at most four. When one is lost the others do its work; when all are, nobody does. */
export class Sweepers {
  readonly #sweepers: Sweeper[];
  readonly #origins = new WeakMap<PackedEntries, Origin>();
  /** What was told of units on the way to them. */
  readonly #told = new WeakSet<readonly FileEntry[]>();

  constructor(order: SweepOrder, onLost: (why: string) => void, program?: URL) {
    const amount = Math.min(MOST, availableParallelism());
    this.#sweepers = Array.from({ length: amount }, () => new Sweeper(order, onLost, program));
  }

  /** How many there still are. */
  get amount(): number {
    return this.#sweepers.filter(({ isLost }) => !isLost).length;
  }

  /** Walks directories, as far as one answer goes; `undefined`: nobody could, and nothing was done. */
  async walk(paths: readonly string[], judge?: WalkOrder["judge"]): Promise<Swept | undefined> {
    const sweeper = this.#leastBusy();
    const told = await unlessLost(() => sweeper?.walk({ walk: paths, judge }));
    if (sweeper === undefined || told === undefined) return undefined;
    const { rules, units, kept, pending, large, judged, ...packed } = told.answer;
    const { number } = told;
    this.#origins.set(packed.entries, { sweeper, walk: number });
    const entries = entriesIn(packed.entries);
    const contents = new Map<FileEntry, Contents>();
    for (const { of, from, to, obstacle } of units) {
      const entry = entries[of];
      const files = entriesIn(packed.contents, from, to);
      this.#told.add(files);
      if (entry !== undefined) contents.set(entry, { files, obstacle });
    }
    const removeLot = (names: number) =>
      unlessLost(() => (sweeper.remembers(number) ? sweeper.removeLot({ lot: number, names }) : undefined));
    return { entries, rules, kept, contents, pending, large, judged, removeLot };
  }

  /** Removes what was looked at: whoever found it does. Answers what came of each; `undefined`: nobody could tell. */
  async remove(condemned: readonly Condemned[]): Promise<readonly (Effect | undefined)[]> {
    const effects = condemned.map((): Effect | undefined => undefined);
    const shares = this.#sharesOf(condemned);
    await Promise.all(
      shares.map(async ({ sweeper, order, places }) => {
        const others = (await unlessLost(() => sweeper?.remove(order)))?.others;
        for (const [index, place] of places.entries()) {
          const one = condemned[place];
          if (others === undefined || one === undefined) continue;
          effects[place] = others.get(order.remove[index] ?? -1) ?? { outcome: "done", bytes: bytesOf(one) };
        }
      }),
    );
    return effects;
  }

  close(): void {
    for (const sweeper of this.#sweepers) sweeper.close();
  }

  #sharesOf(condemned: readonly Condemned[]): Share[] {
    const found = new Map<Origin, { readonly remove: number[]; readonly places: number[] }>();
    const others: number[] = [];
    for (const [place, one] of condemned.entries()) {
      const origin = this.#originOf(one);
      if (origin === undefined || !(one.entry instanceof PackedEntry)) {
        others.push(place);
        continue;
      }
      const share = found.get(origin) ?? { remove: [], places: [] };
      found.set(origin, share);
      share.remove.push(one.entry.index);
      share.places.push(place);
    }
    const shares: Share[] = [...found].map(([{ sweeper, walk }, { remove, places }]) => ({
      ...{ sweeper, places },
      order: { parcel: walk, remove },
    }));
    for (let from = 0; from < others.length; from += SHARE) {
      const places = others.slice(from, from + SHARE);
      const parcel = parcelOf(places.flatMap((place) => condemned[place] ?? []));
      shares.push({ sweeper: this.#leastBusy(), places, order: { parcel, remove: [...places.keys()] } });
    }
    return shares;
  }

  /** Who found one, if it still knows it as it is known here: a unit may have been looked into once more. */
  #originOf({ entry, unit }: Condemned): Origin | undefined {
    if (!(entry instanceof PackedEntry) || (unit !== undefined && !this.#told.has(unit.files)))
      return undefined;
    const origin = this.#origins.get(entry.among);
    return origin?.sweeper.remembers(origin.walk) === true ? origin : undefined;
  }

  #leastBusy(): Sweeper | undefined {
    return this.#sweepers.filter(({ isLost }) => !isLost).toSorted((a, b) => a.load - b.load)[0];
  }
}

async function unlessLost<T>(ask: () => Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof SweeperLost) return undefined;
    throw error;
  }
}
