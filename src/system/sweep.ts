import type { Effect } from "../report/report.ts";
import type { Unit } from "./condemned.ts";
import { type Contents, contentsOf } from "./contents.ts";
import type { FileEntry } from "./file-entry.ts";
import type { Judge } from "./judge.ts";
import { judgeAll } from "./judge-all.ts";
import { isLarge } from "./listing.ts";
import { type LotContents, sharesOf } from "./lot.ts";
import { entriesIn, PackedEntry } from "./packed-entries.ts";
import { type Parcel, parcelOfSeen, type Seen } from "./parcel.ts";
import { type Matcher, matcherOf, preserverOf } from "./patterns.ts";
import { isUntouched, Remover } from "./remover.ts";
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

/** What was found in a walk. */
interface Walked {
  readonly parcel: Parcel;
  /** What is to go by our own judgement: all that is not in the parcel, and does not stay. */
  readonly lot: LotContents | undefined;
}

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
  readonly #walked = new Map<number, Walked>();
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
    this.#remember({ parcel, lot });
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
    const from = typeof parcel === "number" ? this.#remembered(parcel).parcel : parcel;
    return { others: this.#removeFrom(from, remove).others };
  }

  /** Removes all that is in a lot. Throws for one that it does not remember. */
  removeLot({ lot: walk, names }: LotOrder): LotAnswer {
    const { parcel, lot } = this.#remembered(walk);
    this.#walked.set(walk, { parcel, lot: undefined }); // it is removed once
    if (lot === undefined) throw new Error(`expected something to go by walk ${walk}, and found nothing`);
    const { paths } = lot.entries;
    const { others, bytes } = this.#removeFrom(lot, paths.keys());
    const done = paths.filter((_, place) => !others.has(place));
    const untouched = [...others].filter(([, effect]) => isUntouched(effect)).map(([place]) => place);
    return {
      ...{ done: done.length, bytes, named: done.slice(0, names) },
      others: [...others].map(([place, effect]) => ({ path: paths[place] ?? "", effect })),
      untouched: sharesOf(lot, untouched),
    };
  }

  /** What came of each that did not just go, by its place; and what the rest freed. */
  #removeFrom({ entries, contents, units }: Parcel, remove: Iterable<number>) {
    const unitOf = new Map(units.map((unit) => [unit.of, unit]));
    const others = new Map<number, Effect>();
    let bytes = 0;
    for (const index of remove) {
      const entry = new PackedEntry(entries, index);
      const unit = unitOf.get(index);
      const effect =
        unit === undefined
          ? this.#remover.remove(entry)
          : this.#removeUnit(entry, entriesIn(contents, unit.from, unit.to), unit.holding);
      if (effect.outcome !== "done" || effect.reason !== undefined) others.set(index, effect);
      else bytes += effect.bytes;
    }
    return { others, bytes };
  }

  #judgeAll(seen: readonly Seen[], { judge: order }: WalkOrder) {
    const policy = this.#policy;
    const judge = this.#judge;
    if (policy === undefined || judge === undefined || order === undefined)
      return { judged: undefined, lot: undefined, others: seen };
    return judgeAll(seen, { judge, policy, rules: this.#search.rules, ...order });
  }

  #remember(walked: Walked): void {
    this.#walked.set(this.#walks, walked);
    this.#walked.delete(this.#walks - REMEMBERED);
    this.#walks += 1;
  }

  #remembered(walk: number): Walked {
    const walked = this.#walked.get(walk);
    if (walked !== undefined) return walked;
    throw new Error(`expected one of the last ${REMEMBERED} of ${this.#walks} walks, and got ${walk}`);
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
