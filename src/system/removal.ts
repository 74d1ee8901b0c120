import { lstatSync, rmdirSync, type Stats, unlinkSync } from "node:fs";
import { messageOf, SafeShutdownError, systemCodeOf } from "../errors.ts";
import type { Effect, Mode } from "../report/report.ts";
import type { Contents } from "./contents.ts";
import { type Directories, DirectoryChanged } from "./directory.ts";
import type { FileEntry } from "./walk.ts";

export interface RemovalOptions {
  readonly mode: Mode;
  /** How many files may be removed. */
  readonly limit: number;
}

/**
 * The hand that removes, for one job: only what is still as it was observed, through held directories, within the
 * limit. In plan mode it only says what it would do.
 */
export class Removal {
  readonly #directories: Directories;
  readonly #options: RemovalOptions;
  #removed = 0;

  constructor(directories: Directories, options: RemovalOptions) {
    this.#directories = directories;
    this.#options = options;
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
   * Removes a directory and the files in it, as long as `look` sees nothing in it that must stay.
   * Throws `refused` when the limit would be reached before its last file.
   */
  removeDirectory(directory: FileEntry, look: () => Contents): Effect {
    return this.#guarded(directory, () => {
      const { files, obstacle } = look();
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
}

const ALREADY_GONE: Effect = { outcome: "done", bytes: 0, reason: "it was already gone" };

/**
 * Whether a stat is of what was observed. A directory's times and size change with what is in it, so only its identity
 * counts. The time of the last change tells of a rewrite whose other times were put back; of a file with several names
 * it changes also when one of the others goes.
 */
export function isSame(entry: FileEntry, stats: Stats): boolean {
  if (entry.device !== stats.dev || entry.inode !== stats.ino) return false;
  if (entry.kind === "directory") return stats.isDirectory();
  if (entry.modifiedAtMs !== stats.mtimeMs || entry.sizeBytes !== stats.size) return false;
  return entry.changedAtMs === stats.ctimeMs || entry.links > 1;
}
