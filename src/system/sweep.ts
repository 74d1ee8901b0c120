import type { Effect } from "../report/report.ts";
import type { Unit } from "./condemned.ts";
import { type Contents, contentsOf } from "./contents.ts";
import type { FileEntry } from "./file-entry.ts";
import { isLarge } from "./listing.ts";
import { type PackedEntries, packEntries, unpackEntries } from "./packed-entries.ts";
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
  /** What there is in those that go as a unit, by the entry's place in the list. */
  readonly units: readonly {
    readonly of: number;
    readonly files: PackedEntries;
    readonly obstacle: string | undefined;
  }[];
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
  readonly remove: PackedEntries;
  /** Of those that go as a unit, by the entry's place in the list, what was seen in them. */
  readonly units: readonly {
    readonly of: number;
    readonly files: PackedEntries;
    readonly holding: readonly string[];
  }[];
}

export interface RemoveAnswer {
  /** What came of each that did not just go. */
  readonly others: ReadonlyMap<number, Effect>;
}

/** How many entries are looked at before an answer is given. */
const WALK_ENTRIES = 512;

/** Walks and removes below a root on order, in a process of its own: its working directory is never where it was. */
export class Sweep {
  readonly #search: Search<FindRule>;
  readonly #holder: WorkingDirectory;
  readonly #remover: Remover;
  readonly #guardOf: (path: string) => string | undefined;
  readonly #expected = new Map<string, Matcher>();

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
    return {
      entries: packEntries(seen.map(({ entry }) => entry)),
      rules: seen.map(({ rule }) => rules.indexOf(rule)),
      units: seen.flatMap(({ rule, entry }, of) => {
        const contents = this.#contentsOf(entry, rule);
        return contents === undefined ? [] : [{ of, ...contents, files: packEntries(contents.files) }];
      }),
      kept: found.flatMap(({ rule, path, kept, preserved }) =>
        kept === undefined ? [] : [{ rule: rules.indexOf(rule), path, kept, preserved }],
      ),
      pending: pending.map(({ path }) => path),
      large,
    };
  }

  remove({ remove, units }: RemoveOrder): RemoveAnswer {
    const seen = new Map(units.map((unit) => [unit.of, unit]));
    const others = new Map<number, Effect>();
    for (const [index, entry] of unpackEntries(remove).entries()) {
      const unit = seen.get(index);
      const effect =
        unit === undefined
          ? this.#remover.remove(entry)
          : this.#removeUnit(entry, unpackEntries(unit.files), unit.holding);
      if (effect.outcome !== "done" || effect.reason !== undefined) others.set(index, effect);
    }
    return { others };
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
