import type { Clock } from "./clock.ts";
import type { UnitContents } from "./condemned.ts";
import { type Contents, contentsOf, type Expectations } from "./contents.ts";
import type { Holder } from "./directory.ts";
import type { FileEntry } from "./file-entry.ts";
import { type Matcher, matcherOf } from "./patterns.ts";
import { Turns } from "./turns.ts";

const ANYTHING: Expectations = { isExpected: () => true, guardOf: () => undefined };

/** Looks into directories that are to go as a unit. */
export class Units {
  readonly #holder: Holder;
  readonly #guardOf: (path: string) => string | undefined;
  readonly #clock: Clock;
  /** Of each list of globs, the names that it means. */
  readonly #expected = new WeakMap<readonly string[], Matcher>();
  /** What was seen in directories on the way to them. */
  readonly #seen = new WeakMap<FileEntry, Contents>();

  constructor(holder: Holder, guardOf: (path: string) => string | undefined, clock: Clock) {
    this.#holder = holder;
    this.#guardOf = guardOf;
    this.#clock = clock;
  }

  /** What was seen in a directory, for the first who asks. */
  note(directory: FileEntry, contents: Contents): void {
    this.#seen.set(directory, contents);
  }

  /** A directory with what is in it. `holding` are the globs of the names it may hold; `undefined`: any, and nothing is preserved. */
  async of(directory: FileEntry, holding: readonly string[] | undefined): Promise<UnitContents> {
    const seen = this.#seen.get(directory);
    this.#seen.delete(directory); // whoever asks again wants to know how it is then
    const contents = seen ?? (await this.contentsOf(directory, holding));
    const look = () => this.#look(directory, holding);
    return { ...contents, unit: { files: contents.files, holding, look } };
  }

  /** What is in it now. */
  contentsOf(directory: FileEntry, holding: readonly string[] | undefined): Promise<Contents> {
    return new Turns(this.#clock).through(this.#look(directory, holding));
  }

  #look(directory: FileEntry, holding: readonly string[] | undefined): Generator<void, Contents> {
    if (holding === undefined) return contentsOf(directory, this.#holder, ANYTHING);
    const isExpected = this.#expected.get(holding) ?? matcherOf(holding);
    this.#expected.set(holding, isExpected);
    return contentsOf(directory, this.#holder, { isExpected, guardOf: this.#guardOf });
  }
}
