import { parseGlob } from "./glob.ts";
import { exactly, type Fold, type NamePattern } from "./name-pattern.ts";

/**
 * Where a path has led in a set of globs: which of them may still mean something below it. Directories from which
 * the same is to be expected share one place, so what a place knows is worked out once.
 */
export interface Place {
  /** Whether anything below could be meant. */
  readonly leadsOn: boolean;
  /** How many names of the way to here a glob spells out without `**`, and goes on from there. */
  readonly spelledOut: number;
}

/** One name of one glob: what must come next on the way to its end. */
interface Step {
  readonly pattern: NamePattern;
  /** The number of its glob in the list. */
  readonly glob: number;
  readonly isLast: boolean;
  /** How many names come before it, if no `**` does. */
  readonly spelledOut: number | undefined;
}

const NONE = Number.POSITIVE_INFINITY;

/** What a name decides: by the name itself, by a look at it, or whatever it is. */
class Expectation implements Place {
  readonly leadsOn: boolean;
  readonly spelledOut: number;
  /** The last name of a path: the lowest glob wins. */
  readonly literals = new Map<string, number>();
  readonly wild: { readonly glob: number; readonly means: (name: string) => boolean }[] = [];
  readonly whatever: number;
  /** A name on the way: the steps that come after it. */
  readonly onward = new Map<string, number[]>();
  readonly onwardWild: { readonly step: number; readonly means: (name: string) => boolean }[] = [];
  readonly onwardAnyway: readonly number[];
  /** Where names lead that only `onward` knows; "" for all that it does not. */
  readonly entered = new Map<string, Place>();

  constructor(numbers: readonly number[], all: readonly Step[]) {
    const steps = all
      .map((step, number) => ({ ...step, number }))
      .filter(({ number }) => numbers.includes(number));
    this.leadsOn = steps.length > 0;
    this.spelledOut = Math.max(...steps.map(({ spelledOut = -1 }) => spelledOut), -1);
    const anyNames = steps.filter(({ pattern }) => pattern.kind === "any names");
    this.onwardAnyway = anyNames.map(({ number }) => number);
    this.whatever = Math.min(...anyNames.filter(({ isLast }) => isLast).map(({ glob }) => glob), NONE);
    for (const { pattern, glob, isLast, number } of steps.toSorted((a, b) => a.glob - b.glob)) {
      if (pattern.kind === "any names") continue;
      if (pattern.kind === "wild") {
        if (isLast) this.wild.push({ glob, means: pattern.means });
        else this.onwardWild.push({ step: number + 1, means: pattern.means });
      } else if (!isLast)
        this.onward.set(pattern.text, [...(this.onward.get(pattern.text) ?? []), number + 1]);
      else if (!this.literals.has(pattern.text)) this.literals.set(pattern.text, glob);
    }
  }
}

/**
 * Many globs asked at once, name by name on the way down a tree. The time an answer takes does not depend on how
 * deep the path is, nor on what else is in it.
 */
export class GlobSet {
  /** Where every path starts: the root. */
  readonly top: Place;
  readonly #fold: Fold;
  readonly #steps: Step[] = [];
  readonly #places = new Map<string, Expectation>();

  /** Throws for a glob that cannot be read. */
  constructor(globs: readonly string[], fold: Fold = exactly) {
    this.#fold = fold;
    const first: number[] = [];
    for (const [glob, text] of globs.entries()) {
      for (const names of parseGlob(text, fold)) {
        if (names.length > 0) first.push(this.#steps.length);
        const open = names.findIndex(({ kind }) => kind === "any names");
        for (const [index, pattern] of names.entries()) {
          const spelledOut = open === -1 || index <= open ? index : undefined;
          this.#steps.push({ pattern, glob, isLast: index === names.length - 1, spelledOut });
        }
      }
    }
    this.top = this.#placeOf(first);
  }

  /** The first glob that means what is called `name` there, by its number in the list. */
  meaning(place: Place, name: string): number | undefined {
    const { literals, wild, whatever } = this.#known(place);
    const folded = this.#fold(name);
    let best = Math.min(whatever, literals.get(folded) ?? NONE);
    for (const { glob, means } of wild) {
      if (glob >= best) break;
      if (means(folded)) best = glob;
    }
    return best === NONE ? undefined : best;
  }

  /** Where the directory called `name` leads from there. */
  enter(place: Place, name: string): Place {
    const { onward, onwardWild, onwardAnyway, entered } = this.#known(place);
    const folded = this.#fold(name);
    const wild = onwardWild.filter(({ means }) => means(folded)).map(({ step }) => step);
    const literal = onward.get(folded);
    if (wild.length > 0) return this.#placeOf([...onwardAnyway, ...wild, ...(literal ?? [])]);
    const known = literal === undefined ? "" : folded;
    const next = entered.get(known) ?? this.#placeOf([...onwardAnyway, ...(literal ?? [])]);
    entered.set(known, next);
    return next;
  }

  #known(place: Place): Expectation {
    if (place instanceof Expectation) return place;
    throw new Error("expected a place of this set");
  }

  /** `**` may stand for no name at all: then what follows it is expected, too. */
  #placeOf(numbers: readonly number[]): Expectation {
    const expected = new Set(numbers);
    for (const number of expected) {
      const step = this.#steps[number];
      if (step?.pattern.kind === "any names" && !step.isLast) expected.add(number + 1);
    }
    const steps = [...expected].toSorted((a, b) => a - b);
    const key = steps.join();
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const place = new Expectation(steps, this.#steps);
    this.#places.set(key, place);
    return place;
  }
}
