import { statfsSync } from "node:fs";
import type { Effect, Mode } from "../report/report.ts";
import { oneByOne } from "./batches.ts";
import type { Clock } from "./clock.ts";
import type { Condemned, UnitContents } from "./condemned.ts";
import { Crew, type CrewOptions } from "./crew.ts";
import { Directories } from "./directory.ts";
import type { FileEntry } from "./file-entry.ts";
import { Finder } from "./finder.ts";
import type { Policy } from "./judge.ts";
import { withRealNames } from "./linked-names.ts";
import { Looks } from "./looks.ts";
import type { Manifest } from "./manifest.ts";
import { type OpenFiles, readOpenFiles } from "./open-files.ts";
import { preserverOf } from "./patterns.ts";
import type { Removed, RemovedHandful } from "./prepared.ts";
import type { Quarantine } from "./quarantine.ts";
import { type Quarantined, quarantined } from "./quarantined.ts";
import type { LimitedRule, Quota } from "./quota.ts";
import { Removal } from "./removal.ts";
import type { FindRule } from "./search.ts";
import type { Handful } from "./search-tree.ts";
import type { Lot } from "./swath.ts";
import { Turns } from "./turns.ts";
import { Units } from "./units.ts";
import type { Found } from "./walk.ts";

export type { Condemned } from "./condemned.ts";
export type { Contents } from "./contents.ts";
export type { FileEntry } from "./file-entry.ts";
export type { FindRule } from "./search.ts";
export type { Found } from "./walk.ts";

export interface FilesOptions extends CrewOptions {
  readonly preserve: readonly string[];
  readonly mode: Mode;
  readonly quota: Quota;
  readonly manifest: Manifest;
  readonly quarantine: Quarantine;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What an earlier stage of the same plan would have ended already. */
  readonly presumed: { readonly pids: ReadonlySet<number>; readonly paths: ReadonlySet<string> };
}

/**
 * The hands that find, read and remove files below the root. They take entries, not paths: what was observed
 * is compared again at the last moment, and if the world moved on nothing is done. In plan mode they only say
 * what they would do.
 */
export class Files {
  /** Which pattern of the preserve list protects a path, if one does: then it is not to be removed. */
  readonly guardOf: (path: string) => string | undefined;
  readonly #options: FilesOptions;
  readonly #directories: Directories;
  readonly #preserve: readonly string[];
  readonly #crew: Crew;
  readonly #finder: Finder;
  readonly #removal: Removal;
  readonly #units: Units;
  readonly #looks: Looks;
  #openFiles: OpenFiles | undefined;

  constructor(options: FilesOptions) {
    this.#options = options;
    this.#directories = new Directories(options.root);
    this.#preserve = withRealNames(options.root, options.preserve);
    this.guardOf = preserverOf(this.#preserve);
    this.#looks = new Looks(this.#directories);
    this.#units = new Units(this.#directories, this.guardOf, options.clock);
    this.#crew = new Crew(options);
    this.#finder = new Finder({
      ...options,
      ...{ directories: this.#directories, crew: this.#crew, units: this.#units },
    });
    this.#removal = new Removal({ ...options, directories: this.#directories, crew: this.#crew });
  }

  /**
   * Streams what the rules mean; gives the event loop a turn now and then. Throws when aborted. `evenPreserved`: for
   * looking only, also where nothing may be removed.
   */
  async *find<Rule extends FindRule>(
    rules: readonly Rule[],
    { evenPreserved = false } = {},
  ): AsyncGenerator<Found<Rule>> {
    const turns = new Turns(this.#options.clock);
    for await (const { found } of this.#finder.find(rules, evenPreserved ? undefined : this.#preserve)) {
      for (const one of found) {
        this.#options.signal.throwIfAborted();
        yield one;
        if (turns.isDue) await turns.take();
      }
    }
  }

  /** The same in handfuls, for those who have much to find. With a policy some of it is judged on the way, not in a plan. */
  findMany<Rule extends FindRule>(
    rules: readonly Rule[],
    policy: () => Policy,
  ): AsyncGenerator<Handful<Rule>> {
    const mayJudge = this.#options.mode === "apply";
    return this.#finder.find(rules, this.#preserve, mayJudge ? policy : undefined);
  }

  /** The entry at a path, or `undefined` when there is none. */
  look(path: string): FileEntry | undefined {
    return this.#looks.look(path);
  }

  /**
   * The first bytes of a regular file, without changing its access time where the kernel allows that;
   * `undefined` when it is gone, not readable for us, no longer what was observed, or no regular file.
   */
  read(entry: FileEntry, maxBytes: number): Buffer | undefined {
    return this.#looks.read(entry, maxBytes);
  }

  /** The text of a symbolic link, which is not followed; `undefined` when it is no longer what was observed. */
  targetOf(entry: FileEntry): string | undefined {
    return this.#looks.targetOf(entry);
  }

  /** The pid of a process that has the file open. Descriptors are read once, at the first question. */
  openedBy(entry: FileEntry): number | undefined {
    return this.openFiles.openersOf(entry)[0]?.pid;
  }

  /** Who has what open; read once, at the first question. */
  get openFiles(): OpenFiles {
    this.#openFiles ??= readOpenFiles(this.#options.root, this.#options.presumed.pids);
    return this.#openFiles;
  }

  /**
   * Removes what comes, each written down in the manifest before; yields what came of each, in order.
   * Throws `refused` when a limit is reached or nothing can be written down; when aborted.
   */
  async *remove(source: Iterable<Condemned> | AsyncIterable<Condemned>): AsyncGenerator<Removed> {
    for await (const { removed } of this.#removal.inBatches(oneByOne(source))) yield* removed;
  }

  /** The same in handfuls, for those who have much to remove; `names`: how many of what just went are to be named. */
  removeMany(
    source: AsyncIterable<readonly Condemned[] | Lot>,
    names: () => number,
  ): AsyncGenerator<RemovedHandful> {
    return this.#removal.inBatches(source, names);
  }

  /** The same for a single one. */
  async removeOne(condemned: Condemned): Promise<Effect> {
    for await (const { effect } of this.remove([condemned])) return effect;
    throw new Error("nothing was asked for");
  }

  /** A directory as a unit with what is in it, to be removed; or why it cannot be one. */
  unitOf(directory: FileEntry, holding: readonly string[]): Promise<UnitContents> {
    return this.#units.of(directory, holding);
  }

  /** The same for a directory in quarantine, where nothing is preserved and any file is expected. */
  quarantinedUnitOf(directory: FileEntry): Promise<UnitContents> {
    return this.#units.of(directory, undefined);
  }

  /**
   * What earlier runs moved to quarantine, as candidates of the rule that limits its share. Throws `refused` when it may
   * be somebody else's.
   */
  *quarantined(rule: LimitedRule): Generator<Quarantined> {
    const { root, mode, quota } = this.#options;
    for (const one of quarantined(root, mode)) {
      quota.looked(rule);
      yield one;
    }
  }

  /** Room on the file system of the root, in bytes. */
  diskUsage(): { freeBytes: number; totalBytes: number } {
    const stats = statfsSync(this.#options.root);
    return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize };
  }

  /** Lets go of what is held open. The hands may be used again. */
  close(): void {
    this.#crew.close();
    this.#directories.close();
    this.#options.manifest.close();
    this.#options.quarantine.close();
  }
}
