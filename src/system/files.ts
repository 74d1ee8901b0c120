import { lstatSync, readlinkSync, statfsSync } from "node:fs";
import { systemCodeOf } from "../errors.ts";
import type { Effect, Mode } from "../report/report.ts";
import type { Clock } from "./clock.ts";
import { type Condemned, type UnitContents, unitSeenBy } from "./condemned.ts";
import { type Contents, contentsOf } from "./contents.ts";
import { Directories, DirectoryChanged } from "./directory.ts";
import { isSame } from "./evidence.ts";
import { withRealNames } from "./linked-names.ts";
import type { Manifest } from "./manifest.ts";
import { type OpenFiles, readOpenFiles } from "./open-files.ts";
import { type Matcher, matcherOf, preserverOf } from "./patterns.ts";
import type { Quarantine } from "./quarantine.ts";
import { type Quarantined, quarantined } from "./quarantined.ts";
import type { Quota } from "./quota.ts";
import { readUntouched } from "./read-untouched.ts";
import { Removal } from "./removal.ts";
import type { FindRule } from "./search.ts";
import { Turns } from "./turns.ts";
import { entryOf, type FileEntry, type Found, walk } from "./walk.ts";

export type { Condemned } from "./condemned.ts";
export type { Contents } from "./contents.ts";
export type { FindRule } from "./search.ts";
export type { FileEntry, Found } from "./walk.ts";

export interface FilesOptions {
  /** A real path. */
  readonly root: string;
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
  readonly #options: FilesOptions;
  readonly #directories: Directories;
  readonly #preserve: readonly string[];
  readonly #preserver: (path: string) => string | undefined;
  readonly #removal: Removal;
  /** Of each rule, the names that its directories may hold. */
  readonly #expected = new WeakMap<readonly string[], Matcher>();
  #openFiles: OpenFiles | undefined;

  constructor(options: FilesOptions) {
    this.#options = options;
    this.#directories = new Directories(options.root);
    this.#preserve = withRealNames(options.root, options.preserve);
    this.#preserver = preserverOf(this.#preserve);
    this.#removal = new Removal({ ...options, directories: this.#directories });
  }

  /**
   * Streams what the rules mean; gives the event loop a turn now and then. Throws when aborted. `evenPreserved`: for
   * looking only, also where nothing may be removed.
   */
  async *find<Rule extends FindRule>(
    rules: readonly Rule[],
    { evenPreserved = false } = {},
  ): AsyncGenerator<Found<Rule>> {
    const { clock, signal, presumed, quota } = this.#options;
    const turns = new Turns(clock);
    for (const found of walk(this.#directories, rules, evenPreserved ? undefined : this.#preserve)) {
      signal.throwIfAborted();
      if (found !== undefined && !presumed.paths.has(found.path)) {
        if (found.entry !== undefined) quota.looked(found.rule);
        yield found;
      }
      if (turns.isDue) await turns.take();
    }
  }

  /** The entry at a path, or `undefined` when there is none. */
  look(path: string): FileEntry | undefined {
    return this.#look(() => {
      const stats = lstatSync(this.#directories.reach(path), { throwIfNoEntry: false });
      return stats === undefined ? undefined : entryOf(path, stats);
    });
  }

  /**
   * The first bytes of a regular file, without changing its access time where the kernel allows that;
   * `undefined` when it is gone, not readable for us, no longer what was observed, or no regular file.
   */
  read(entry: FileEntry, maxBytes: number): Buffer | undefined {
    if (entry.kind !== "file") return undefined; // opening a FIFO or a device is already doing something
    return this.#look(() =>
      readUntouched(this.#directories.reach(entry.path), maxBytes, (stats) => isSame(entry, stats)),
    );
  }

  /** The text of a symbolic link, which is not followed; `undefined` when it is no longer what was observed. */
  targetOf(entry: FileEntry): string | undefined {
    return this.#look(() => {
      const at = this.#directories.reach(entry.path);
      const target = entry.kind === "link" ? readlinkSync(at) : undefined;
      const stats = lstatSync(at, { throwIfNoEntry: false });
      return stats !== undefined && isSame(entry, stats) ? target : undefined;
    });
  }

  /** The pid of a process that has the file open. Descriptors are read once, at the first question. */
  openedBy(entry: FileEntry): number | undefined {
    this.#openFiles ??= readOpenFiles(this.#options.root, this.#options.presumed.pids);
    return this.#openFiles.openersOf({ ...entry, inode: this.inodeOf(entry) })[0]?.pid;
  }

  /** The inode to the last digit: as a number it is rounded above 2^53, where overlayfs may have all of a layer. */
  inodeOf(entry: FileEntry): string {
    if (Number.isSafeInteger(entry.inode)) return `${entry.inode}`;
    const stats = this.#look(() =>
      lstatSync(this.#directories.reach(entry.path), { bigint: true, throwIfNoEntry: false }),
    );
    const exact = stats && BigInt.asUintN(64, stats.ino);
    return exact !== undefined && Number(exact) === entry.inode ? `${exact}` : `${entry.inode}`;
  }

  /** Which pattern of the preserve list protects a path, if one does: then it is not to be removed. */
  guardOf(path: string): string | undefined {
    return this.#preserver(path);
  }

  /** What a directory holds; `holding` are the globs of the names it may hold. */
  contentsOf(directory: FileEntry, holding: readonly string[]): Promise<Contents> {
    const isExpected = this.#expected.get(holding) ?? matcherOf(holding);
    this.#expected.set(holding, isExpected);
    const { clock } = this.#options;
    return contentsOf(directory, {
      isExpected,
      guardOf: this.#preserver,
      directories: this.#directories,
      clock,
    });
  }

  /**
   * Removes what comes, each written down in the manifest before; yields what came of each, in order.
   * Throws `refused` when a limit is reached or nothing can be written down; when aborted.
   */
  remove<One extends Condemned>(
    source: Iterable<One> | AsyncIterable<One>,
  ): AsyncGenerator<{ readonly condemned: One; readonly effect: Effect }> {
    return this.#removal.inBatches(source);
  }

  /** The same for a single one. */
  async removeOne(condemned: Condemned): Promise<Effect> {
    for await (const { effect } of this.remove([condemned])) return effect;
    throw new Error("nothing was asked for");
  }

  /** A directory as a unit with what is in it, to be removed; or why it cannot be one. */
  unitOf(directory: FileEntry, holding: readonly string[]): Promise<UnitContents> {
    return unitSeenBy(() => this.contentsOf(directory, holding));
  }

  /** The same for a directory in quarantine, where nothing is preserved and any file is expected. */
  quarantinedUnitOf(directory: FileEntry): Promise<UnitContents> {
    const { clock } = this.#options;
    const rule = { isExpected: () => true, guardOf: () => undefined, directories: this.#directories, clock };
    return unitSeenBy(() => contentsOf(directory, rule));
  }

  /** What earlier runs moved to quarantine. Throws `refused` when it may be somebody else's. */
  *quarantined(): Generator<Quarantined> {
    const { root, mode } = this.#options;
    yield* quarantined(root, mode);
  }

  /** Room on the file system of the root, in bytes. */
  diskUsage(): { freeBytes: number; totalBytes: number } {
    const stats = statfsSync(this.#options.root);
    return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize };
  }

  /** Lets go of what is held open. The hands may be used again. */
  close(): void {
    this.#directories.close();
    this.#options.manifest.close();
    this.#options.quarantine.close();
  }

  #look<T>(look: () => T): T | undefined {
    try {
      return look();
    } catch (error) {
      if (error instanceof DirectoryChanged || systemCodeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }
}
