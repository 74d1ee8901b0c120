import { lstatSync, rmdirSync, type Stats, statfsSync, unlinkSync } from "node:fs";
import { posix } from "node:path";
import { messageOf, SafeShutdownError, systemCodeOf } from "../errors.ts";
import type { Effect, Mode } from "../report/report.ts";
import type { Clock } from "./clock.ts";
import { Directories, DirectoryChanged, release, within } from "./directory.ts";
import { type OpenFiles, readOpenFiles } from "./open-files.ts";
import { matcherOf, preserverOf } from "./patterns.ts";
import { readUntouched } from "./read-untouched.ts";
import { childrenOf, entryOf, type FileEntry, type FindRule, type Found, isUtf8, walk } from "./walk.ts";

export type { FileEntry, FindRule, Found } from "./walk.ts";

/** What is in a directory that is to go as a unit. */
export interface Contents {
  readonly files: readonly FileEntry[];
  /** Why it cannot go as a unit: it holds what the rule did not expect, or cannot be looked into. */
  readonly obstacle: string | undefined;
}

export interface FilesOptions {
  /** A real path. */
  readonly root: string;
  readonly preserve: readonly string[];
  readonly mode: Mode;
  /** How many files may be removed. */
  readonly limit: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What an earlier stage of the same plan would have ended already. */
  readonly presumed: { readonly pids: ReadonlySet<number>; readonly paths: ReadonlySet<string> };
}

/** How long the event loop may be held before it gets a turn. */
const SLICE_MS = 10;

/**
 * The hands that find, read and remove files below the root. They take entries, not paths: what was observed
 * is compared again at the last moment, and if the world moved on nothing is done. In plan mode they only say
 * what they would do.
 */
export class Files {
  readonly #options: FilesOptions;
  readonly #directories: Directories;
  readonly #preserver: (path: string) => string | undefined;
  #openFiles: OpenFiles | undefined;
  #removed = 0;

  constructor(options: FilesOptions) {
    this.#options = options;
    this.#directories = new Directories(options.root);
    this.#preserver = preserverOf(options.preserve);
  }

  /**
   * Streams what the rules mean; gives the event loop a turn now and then. Throws when aborted. `evenPreserved`: for
   * looking only, also where nothing may be removed.
   */
  async *find<Rule extends FindRule>(
    rules: readonly Rule[],
    { evenPreserved = false } = {},
  ): AsyncGenerator<Found<Rule>> {
    const { preserve, clock, signal, presumed } = this.#options;
    let sliceEndsAt = clock.now() + SLICE_MS;
    for (const found of walk(this.#directories, rules, evenPreserved ? undefined : preserve)) {
      signal.throwIfAborted();
      if (found !== undefined && !presumed.paths.has(found.path)) yield found;
      if (clock.now() < sliceEndsAt) continue;
      await clock.breathe();
      sliceEndsAt = clock.now() + SLICE_MS;
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

  /** The pid of a process that has the file open. Descriptors are read once, at the first question. */
  openedBy(entry: FileEntry): number | undefined {
    this.#openFiles ??= readOpenFiles(this.#options.root, this.#options.presumed.pids);
    return this.#openFiles.openersOf(entry)[0]?.pid;
  }

  /** Which pattern of the preserve list protects a path, if one does: then it is not to be removed. */
  guardOf(path: string): string | undefined {
    return this.#preserver(path);
  }

  /** What a directory holds; `holding` are the globs of the names it may hold. */
  contentsOf(directory: FileEntry, holding: readonly string[]): Contents {
    const isExpected = matcherOf(holding);
    const files: FileEntry[] = [];
    try {
      const held = this.#directories.hold(directory.path);
      try {
        for (const child of childrenOf(held)) {
          const { name } = child;
          if (!child.isFile() || !isExpected(name) || !isUtf8(name)) {
            return { files, obstacle: `it holds ${JSON.stringify(name)}` };
          }
          const guard = this.#preserver(posix.join(directory.path, name));
          if (guard !== undefined) {
            return { files, obstacle: `${JSON.stringify(name)} in it is preserved (${guard})` };
          }
          const stats = lstatSync(within(held, name), { throwIfNoEntry: false });
          if (stats !== undefined) files.push(entryOf(posix.join(directory.path, name), stats));
        }
      } finally {
        release(held);
      }
      return { files, obstacle: undefined };
    } catch (error) {
      if (error instanceof DirectoryChanged) return { files, obstacle: error.message };
      return { files, obstacle: `it cannot be read: ${systemCodeOf(error) ?? messageOf(error)}` };
    }
  }

  /** Removes a file. Already gone counts as done. Throws `refused` when the limit is reached. */
  remove(entry: FileEntry): Effect {
    return this.#guarded(entry, (at) => {
      this.#requireRoomFor(1);
      this.#removed += 1;
      if (this.#options.mode === "plan") return { outcome: "planned", bytes: entry.freesBytes };
      unlinkSync(at);
      return { outcome: "done", bytes: entry.freesBytes };
    });
  }

  /**
   * Removes a directory and the files in it, as long as it holds only what `holding` names.
   * Throws `refused` when the limit would be reached before its last file.
   */
  removeDirectory(directory: FileEntry, holding: readonly string[]): Effect {
    return this.#guarded(directory, () => {
      const { files, obstacle } = this.contentsOf(directory, holding);
      if (obstacle !== undefined) return { outcome: "changed", reason: obstacle };
      this.#requireRoomFor(files.length);
      let bytes = 0;
      for (const [index, file] of files.entries()) {
        const effect = this.remove(file);
        if (!("bytes" in effect))
          return { ...effect, reason: `${effect.reason}; ${index} files in it were removed` };
        bytes += effect.bytes;
      }
      if (this.#options.mode === "plan") return { outcome: "planned", bytes };
      rmdirSync(this.#directories.reach(directory.path));
      return { outcome: "done", bytes };
    });
  }

  /** Room on the file system of the root, in bytes. */
  diskUsage(): { freeBytes: number; totalBytes: number } {
    const stats = statfsSync(this.#options.root);
    return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize };
  }

  /** Lets go of what is held open. The hands may be used again. */
  close(): void {
    this.#directories.close();
  }

  /** A plan has the same limit, or it would promise what an apply refuses. */
  #requireRoomFor(files: number): void {
    const { limit, mode } = this.#options;
    if (this.#removed + files <= limit) return;
    const verb = mode === "plan" ? "would be" : "were";
    throw new SafeShutdownError(
      "refused",
      `limits.files (${limit}) is reached: ${this.#removed} files ${verb} removed`,
    );
  }

  /** Acts on an entry only if it is still what was observed. */
  #guarded(entry: FileEntry, act: (at: string) => Effect): Effect {
    try {
      const at = this.#directories.reach(entry.path);
      const stats = lstatSync(at, { throwIfNoEntry: false });
      if (stats === undefined) return ALREADY_GONE;
      if (!isSame(entry, stats)) return { outcome: "changed", reason: "it is no longer what was looked at" };
      return act(at);
    } catch (error) {
      if (error instanceof SafeShutdownError) throw error;
      if (error instanceof DirectoryChanged) return { outcome: "changed", reason: error.message };
      const code = systemCodeOf(error);
      if (code === "ENOENT") return ALREADY_GONE;
      if (code === "ENOTEMPTY") return { outcome: "changed", reason: "something was put into it meanwhile" };
      return { outcome: "failed", reason: code ?? messageOf(error) };
    }
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

const ALREADY_GONE: Effect = { outcome: "done", bytes: 0, reason: "it was already gone" };

/** A directory's times and size change with what is in it, so only its identity counts. */
function isSame(entry: FileEntry, stats: Stats): boolean {
  if (entry.device !== stats.dev || entry.inode !== stats.ino) return false;
  if (entry.kind === "directory") return stats.isDirectory();
  return entry.modifiedAtMs === stats.mtimeMs && entry.sizeBytes === stats.size;
}
