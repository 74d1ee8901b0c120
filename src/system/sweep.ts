import type { Effect } from "../report/report.ts";
import type { Unit } from "./condemned.ts";
import { type Contents, contentsOf } from "./contents.ts";
import type { FileEntry } from "./file-entry.ts";
import type { Judge } from "./judge.ts";
import { judgeAll } from "./judge-all.ts";
import { isLarge } from "./listing.ts";
import { bytesOfLot, type LotContents, shareOf } from "./lot.ts";
import { entriesIn, PackedEntry } from "./packed-entries.ts";
import { type Parcel, parcelOfSeen, type Seen } from "./parcel.ts";
import { type Matcher, matcherOf, preserverOf } from "./patterns.ts";
import { Remover } from "./remover.ts";
import { type FindRule, Search } from "./search.ts";
import type {
  LotAnswer,
  LotOrder,
  RemoveAnswer,
  RemoveOrder,
  SweepOrder,
  WalkAnswer,
  WalkOrder,
} from "./sweep-orders.ts";
import { type Found, type Pending, walk } from "./walk.ts";
import { WorkingDirectory } from "./working-directory.ts";

/** Of how many walks, the last ones, a sweeper knows what it found. */
export const REMEMBERED = 16;

/** How many entries are looked at before an answer is given. */
const WALK_ENTRIES = 512;

/** Walks and removes below a root on order, in a process of its own: its working directory is never where it was. */
export class Sweep {
  readonly #search: Search<FindRule>;
  readonly #holder: WorkingDirectory;
  readonly #remover: Remover;
  readonly #guardOf: (path: string) => string | undefined;
  readonly #expected = new Map<string, Matcher>();
  readonly #policy: SweepOrder["policy"];
  readonly #judge: Judge | undefined;
  /** What was found in the last walks, by their numbers. */
  readonly #parcels = new Map<number, Parcel>();
  /** What is to go of it by our own judgement. */
  readonly #lots = new Map<number, LotContents>();
  #walks = 0;

  constructor({ root, rules, preserve, policy }: SweepOrder, judge?: Judge) {
    this.#search = new Search(rules, preserve);
    this.#guardOf = preserverOf(preserve ?? []);
    this.#holder = new WorkingDirectory(root);
    this.#remover = new Remover(this.#holder);
    this.#policy = policy;
    this.#judge = judge;
  }

  walk(order: WalkOrder): WalkAnswer {
    const pending: Pending[] = order.walk.map((path) => ({ path }));
    const large: string[] = [];
    const found: Found<FindRule>[] = [];
    const options = { budget: { entries: WALK_ENTRIES }, leaveOut: large };
    for (const handful of walk(this.#holder, this.#search, pending, options)) found.push(...handful);
    const { rules } = this.#search;
    const seen = found.flatMap(({ rule, entry }): Seen[] => {
      if (entry === undefined) return [];
      return [{ entry, rule: rules.indexOf(rule), contents: this.#contentsOf(entry, rule) }];
    });
    const { judged, lot, others } = this.#judgeAll(seen, order);
    const parcel = parcelOfSeen(others, this.#search.rules);
    this.#remember(parcel, lot);
    return {
      judged,
      entries: parcel.entries,
      rules: others.map(({ rule }) => rule),
      contents: parcel.contents,
      units: parcel.units.map(({ of, from, to }) => ({
        of,
        from,
        to,
        obstacle: others[of]?.contents?.obstacle,
      })),
      kept: found.flatMap(({ rule, path, kept, preserved }) =>
        kept === undefined ? [] : [{ rule: rules.indexOf(rule), path, kept, preserved }],
      ),
      pending: pending.map(({ path }) => path),
      large,
    };
  }

  /** Throws for what it does not remember. */
  remove({ parcel, remove }: RemoveOrder): RemoveAnswer {
    const from = typeof parcel === "number" ? this.#remembered(this.#parcels, parcel) : parcel;
    return { others: this.#removeFrom(from, remove) };
  }

  /** Removes all that is in a lot. Throws for one that it does not remember. */
  removeLot({ lot: number, names }: LotOrder): LotAnswer {
    const lot = this.#remembered(this.#lots, number);
    this.#lots.delete(number);
    const { paths } = lot.entries;
    const effects = this.#removeFrom(lot, paths.keys());
    const others = [...effects].map(([index, effect]) => ({
      ...{ path: paths[index] ?? "", effect },
      ...shareOf(lot, index),
    }));
    const named: string[] = [];
    for (const [index, path] of paths.entries()) {
      if (named.length >= names) break;
      if (!effects.has(index)) named.push(path);
    }
    const bytes = bytesOfLot(lot) - others.reduce((sum, other) => sum + other.bytes, 0);
    return { done: paths.length - others.length, bytes, named, others };
  }

  #removeFrom({ entries, contents, units }: Parcel, remove: Iterable<number>): Map<number, Effect> {
    const unitOf = new Map(units.map((unit) => [unit.of, unit]));
    const others = new Map<number, Effect>();
    for (const index of remove) {
      const entry = new PackedEntry(entries, index);
      const unit = unitOf.get(index);
      const effect =
        unit === undefined
          ? this.#remover.remove(entry)
          : this.#removeUnit(entry, entriesIn(contents, unit.from, unit.to), unit.holding);
      if (effect.outcome !== "done" || effect.reason !== undefined) others.set(index, effect);
    }
    return others;
  }

  #judgeAll(seen: readonly Seen[], { judge: order }: WalkOrder) {
    const [policy, judge] = [this.#policy, this.#judge];
    if (policy === undefined || judge === undefined || order === undefined)
      return { judged: undefined, lot: undefined, others: seen };
    return judgeAll(seen, { judge, policy, rules: this.#search.rules, ...order });
  }

  #remember(parcel: Parcel, lot: LotContents | undefined): void {
    this.#parcels.set(this.#walks, parcel);
    this.#parcels.delete(this.#walks - REMEMBERED);
    if (lot !== undefined) this.#lots.set(this.#walks, lot);
    this.#lots.delete(this.#walks - REMEMBERED);
    this.#walks += 1;
  }

  #remembered<T>(walks: ReadonlyMap<number, T>, number: number): T {
    const one = walks.get(number);
    if (one !== undefined) return one;
    throw new Error(`expected one of the last ${REMEMBERED} of ${this.#walks} walks, and got ${number}`);
  }

  /** What is in a directory that may go as a unit, if that is not too much for an answer. */
  #contentsOf(entry: FileEntry, { kind, holding }: FindRule): Contents | undefined {
    if (kind !== "directories" || entry.kind !== "directory" || holding === undefined) return undefined;
    try {
      if (isLarge(this.#holder.hold(entry.path))) return undefined;
    } catch {
      return undefined; // whoever asked will see why
    }
    return atOnce(this.#look(entry, holding));
  }

  #look(directory: FileEntry, holding: readonly string[]): Generator<void, Contents> {
    const key = JSON.stringify(holding);
    const isExpected = this.#expected.get(key) ?? matcherOf(holding);
    this.#expected.set(key, isExpected);
    return contentsOf(directory, this.#holder, { isExpected, guardOf: this.#guardOf });
  }

  #removeUnit(entry: FileEntry, files: readonly FileEntry[], holding: readonly string[]): Effect {
    const unit: Unit = { files, holding, look: () => this.#look(entry, holding) };
    return atOnce(this.#remover.checkUnit(entry, unit)) ?? atOnce(this.#remover.removeUnit(entry, unit));
  }
}

function atOnce<T>(work: Generator<void, T>): T {
  for (let step = work.next(); ; step = work.next()) if (step.done === true) return step.value;
}
