import type { Effect } from "../report/report.ts";
import type { Unit } from "./condemned.ts";
import { type Contents, contentsOf } from "./contents.ts";
import type { FileEntry } from "./file-entry.ts";
import { isLarge } from "./listing.ts";
import { entriesIn, type PackedEntries, PackedEntry, packEntries } from "./packed-entries.ts";
import type { Parcel, UnitPlace } from "./parcel.ts";
import { type Matcher, matcherOf, preserverOf } from "./patterns.ts";
import { Remover } from "./remover.ts";
import { type FindRule, Search } from "./search.ts";
import { type Found, type Pending, walk } from "./walk.ts";
import { WorkingDirectory } from "./working-directory.ts";

/** What a sweeper is to know before all else. */
export interface SweepOrder {
  /** A real path. */
  readonly root: string;
  readonly rules: readonly FindRule[];
  readonly preserve: readonly string[] | undefined;
}

export interface WalkOrder {
  /** Directories to be walked. */
  readonly walk: readonly string[];
}

export interface WalkAnswer {
  readonly entries: PackedEntries;
  /** Of each entry, its rule's place in the list. */
  readonly rules: readonly number[];
  /** What there is in all those that go as a unit. */
  readonly contents: PackedEntries;
  /** Of each of them its place in the list of entries, and where its files are in `contents`. */
  readonly units: readonly (UnitPlace & { readonly obstacle: string | undefined })[];
  readonly kept: readonly {
    readonly rule: number;
    readonly path: string;
    readonly kept: string;
    readonly preserved: boolean;
  }[];
  /** Directories that are still to be walked. */
  readonly pending: readonly string[];
  /** Directories too large for one answer: whoever asked must walk them. */
  readonly large: readonly string[];
}

export interface RemoveOrder {
  /** What was found in a walk that is `REMEMBERED`, by its number (the first is 0), or brought along. */
  readonly parcel: number | Parcel;
  /** Which of its entries are to go. */
  readonly remove: readonly number[];
}

export interface RemoveAnswer {
  /** What came of each that did not just go, by its place in the parcel. */
  readonly others: ReadonlyMap<number, Effect>;
}

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
  /** What was found in the last walks, by their numbers. */
  readonly #parcels = new Map<number, Parcel>();
  #walks = 0;

  constructor({ root, rules, preserve }: SweepOrder) {
    this.#search = new Search(rules, preserve);
    this.#guardOf = preserverOf(preserve ?? []);
    this.#holder = new WorkingDirectory(root);
    this.#remover = new Remover(this.#holder);
  }

  walk(order: WalkOrder): WalkAnswer {
    const pending: Pending[] = order.walk.map((path) => ({ path }));
    const large: string[] = [];
    const found: Found<FindRule>[] = [];
    const options = { budget: { entries: WALK_ENTRIES }, leaveOut: large };
    for (const handful of walk(this.#holder, this.#search, pending, options)) found.push(...handful);
    const seen = found.flatMap(({ rule, entry }) => (entry === undefined ? [] : [{ rule, entry }]));
    const { rules } = this.#search;
    const inUnits: FileEntry[] = [];
    const units = seen.flatMap(({ rule, entry }, of) => {
      const what = this.#contentsOf(entry, rule);
      if (what === undefined) return [];
      const from = inUnits.length;
      inUnits.push(...what.files);
      return [{ of, from, to: inUnits.length, obstacle: what.obstacle, holding: rule.holding ?? [] }];
    });
    const entries = packEntries(seen.map(({ entry }) => entry));
    const contents = packEntries(inUnits);
    this.#remember({ entries, contents, units });
    return {
      entries,
      rules: seen.map(({ rule }) => rules.indexOf(rule)),
      contents,
      units: units.map(({ holding: _, ...unit }) => unit),
      kept: found.flatMap(({ rule, path, kept, preserved }) =>
        kept === undefined ? [] : [{ rule: rules.indexOf(rule), path, kept, preserved }],
      ),
      pending: pending.map(({ path }) => path),
      large,
    };
  }

  /** Throws for what it does not remember. */
  remove({ parcel, remove }: RemoveOrder): RemoveAnswer {
    const { entries, contents, units } = typeof parcel === "number" ? this.#remembered(parcel) : parcel;
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
    return { others };
  }

  #remember(parcel: Parcel): void {
    this.#parcels.set(this.#walks, parcel);
    this.#parcels.delete(this.#walks - REMEMBERED);
    this.#walks += 1;
  }

  #remembered(number: number): Parcel {
    const parcel = this.#parcels.get(number);
    if (parcel !== undefined) return parcel;
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
