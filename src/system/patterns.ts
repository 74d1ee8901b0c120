import { parseGlob } from "./glob.ts";
import { GlobSet, type Place } from "./glob-set.ts";

/*
 * Which paths the globs of a config mean. Paths are relative to the root, with "/" between names.
 */

export type Matcher = (path: string) => boolean;

/** Whether a path is meant by any of the patterns. Exact: letter case and Unicode form count. */
export function matcherOf(patterns: readonly string[]): Matcher {
  const globs = new GlobSet(patterns);
  const placeOf = remembered((directory) =>
    namesOf(directory).reduce((place, name) => globs.enter(place, name), globs.top),
  );
  return (path) => {
    const [directory, name] = halves(path);
    return globs.meaning(placeOf(directory), name) !== undefined;
  };
}

/**
 * The preserve list. Generous on purpose, because it can only keep: letter case and Unicode form do not count, a
 * glob without "/" holds at any depth, and what lies below a protected path is protected, too.
 */
export class Guards {
  readonly #patterns: readonly string[];
  readonly #globs: GlobSet;

  /** Throws for a pattern that cannot be read. */
  constructor(patterns: readonly string[]) {
    this.#patterns = patterns;
    this.#globs = new GlobSet(patterns.map(guardOf), forgiving);
  }

  get top(): Place {
    return this.#globs.top;
  }

  /** Which pattern protects what is called `name` in the unprotected directory at a place. */
  protecting(place: Place, name: string): string | undefined {
    const guard = this.#globs.meaning(place, name);
    return guard === undefined ? undefined : this.#patterns[guard];
  }

  enter(place: Place, name: string): Place {
    return this.#globs.enter(place, name);
  }

  /** Where a directory is, or which pattern protects it. */
  placeOf(directory: string): Place | string {
    let place = this.top;
    for (const name of namesOf(directory)) {
      const guard = this.protecting(place, name);
      if (guard !== undefined) return guard;
      place = this.enter(place, name);
    }
    return place;
  }
}

/** Which pattern of a preserve list protects a path, if one does. */
export function preserverOf(patterns: readonly string[]): (path: string) => string | undefined {
  const guards = new Guards(patterns);
  const placeOf = remembered((directory) => guards.placeOf(directory));
  return (path) => {
    const [directory, name] = halves(path);
    const place = placeOf(directory);
    return typeof place === "string" ? place : guards.protecting(place, name);
  };
}

/** Paths are asked about directory by directory: the last answer for one is kept. */
function remembered<T>(ask: (directory: string) => T): (directory: string) => T {
  let last: { readonly directory: string; readonly answer: T } | undefined;
  return (directory) => {
    if (last?.directory !== directory) last = { directory, answer: ask(directory) };
    return last.answer;
  };
}

function halves(path: string): [directory: string, name: string] {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? ["", path] : [path.slice(0, slash), path.slice(slash + 1)];
}

function namesOf(directory: string): string[] {
  return directory === "" ? [] : directory.split("/");
}

/** `data/**` protects `data` as well, with all that is in it; and "." all there is. */
function guardOf(pattern: string): string {
  parseGlob(pattern); // throws for what could not be told any more with `**/` before it
  const names = pattern.split("/").filter((name) => name !== "" && name !== ".");
  if (names.length === 0) return "**";
  if (names.length === 1) return `**/${names[0]}`;
  while (names.length > 1 && names.at(-1) === "**") names.pop();
  return names.join("/");
}

/** NFKC forgets how a letter is composed; upper case makes one of "ß" and "SS", "ς" and "σ". */
function forgiving(name: string): string {
  return ASCII.test(name) ? name.toUpperCase() : name.normalize("NFKC").toUpperCase().normalize("NFKC");
}

const ASCII = /^[\0-\x7f]*$/;
