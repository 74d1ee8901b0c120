import { GlobSet, type Place } from "./glob-set.ts";
import { Guards } from "./patterns.ts";

/** Patterns that are looked for together. `kind` of `directories`: only directories, taken as a unit. */
export interface FindRule {
  readonly kind?: string;
  readonly patterns: readonly string[];
  /** Of `directories`: the globs of the names that they may hold. */
  readonly holding?: readonly string[];
  /** How many of its candidates may go; see `Quota`. */
  readonly sharePercent?: number;
}

/** Where a directory is, as seen by every rule and guard at once. */
export interface Spot {
  /** How many names lead to it. */
  readonly depth: number;
  readonly files: Place;
  readonly units: Place;
  readonly guards: Place;
}

/** All rules of a search and what guards against them, asked together name by name on the way down. */
export class Search<Rule extends FindRule> {
  readonly rules: readonly Rule[];
  /** Whether virtual environments are passed by: what is only looked at may be in one. */
  readonly keepsEnvironments: boolean;
  readonly #top: Spot;
  readonly #files: RuleSet<Rule>;
  readonly #units: RuleSet<Rule>;
  readonly #guards: Guards;

  /** Without a preserve list, for looking only, nothing is passed by. Throws for a pattern that cannot be read. */
  constructor(rules: readonly Rule[], preserve: readonly string[] | undefined) {
    this.rules = rules;
    this.keepsEnvironments = preserve !== undefined;
    this.#files = new RuleSet(rules.filter(({ kind }) => kind !== "directories"));
    this.#units = new RuleSet(rules.filter(({ kind }) => kind === "directories"));
    this.#guards = new Guards(preserve ?? []);
    this.#top = { depth: 0, files: this.#files.top, units: this.#units.top, guards: this.#guards.top };
  }

  /** The first rule that means what is called `name` there. */
  ruleFor({ files, units }: Spot, name: string, isDirectory: boolean): Rule | undefined {
    return isDirectory ? this.#units.ruleFor(units, name) : this.#files.ruleFor(files, name);
  }

  /** Which pattern of the preserve list protects what is called `name` there. */
  guardOf({ guards }: Spot, name: string): string | undefined {
    return this.#guards.protecting(guards, name);
  }

  /** Where the directory called `name` there is; `undefined` when nothing below it is meant by any rule. */
  enter(spot: Spot, name: string): Spot | undefined {
    const next = this.#enter(spot, name);
    return next.files.leadsOn || next.units.leadsOn ? next : undefined;
  }

  /** Where the directory at a path is. */
  spotOf(path: string): Spot {
    const names = path === "" ? [] : path.split("/");
    return names.reduce((spot, name) => this.#enter(spot, name), this.#top);
  }

  #enter({ depth, files, units, guards }: Spot, name: string): Spot {
    return {
      depth: depth + 1,
      files: this.#files.enter(files, name),
      units: this.#units.enter(units, name),
      guards: this.#guards.enter(guards, name),
    };
  }

  /** Whether a rule spells out the way through what is called `name` there. */
  leadsThrough({ depth, files, units }: Spot, name: string): boolean {
    const next = [this.#files.enter(files, name), this.#units.enter(units, name)];
    return next.some(({ spelledOut }) => spelledOut > depth);
  }
}

/** The patterns of several rules as one set of globs. */
class RuleSet<Rule extends FindRule> {
  readonly top: Place;
  readonly #globs: GlobSet;
  /** The rule of each glob. */
  readonly #rules: readonly Rule[];

  constructor(rules: readonly Rule[]) {
    this.#globs = new GlobSet(rules.flatMap(({ patterns }) => patterns));
    this.#rules = rules.flatMap((rule) => rule.patterns.map(() => rule));
    this.top = this.#globs.top;
  }

  ruleFor(place: Place, name: string): Rule | undefined {
    const glob = this.#globs.meaning(place, name);
    return glob === undefined ? undefined : this.#rules[glob];
  }

  enter(place: Place, name: string): Place {
    return this.#globs.enter(place, name);
  }
}
