import type { Stats } from "node:fs";
import type { FileEntry } from "./walk.ts";

/** Whether a stat is of what was observed, as far as that outlives a move; see `isSame`. */
export function isSameMoved(entry: FileEntry, stats: Stats): boolean {
  if (entry.device !== stats.dev || entry.inode !== stats.ino) return false;
  if (entry.kind === "directory") return stats.isDirectory();
  return entry.modifiedAtMs === stats.mtimeMs && entry.sizeBytes === stats.size;
}

/**
 * Whether a stat is of what was observed. A directory's times and size change with what is in it, so only its identity
 * counts. The time of the last change tells of a rewrite whose other times were put back; of a file with several names
 * it changes also when one of the others goes.
 */
export function isSame(entry: FileEntry, stats: Stats): boolean {
  if (!isSameMoved(entry, stats)) return false;
  return entry.kind === "directory" || entry.changedAtMs === stats.ctimeMs || entry.links > 1;
}

/** The first of the files seen now that was not seen so before. */
export function firstNews(before: readonly FileEntry[], now: readonly FileEntry[]): FileEntry | undefined {
  const known = new Map(before.map((file) => [file.path, file]));
  return now.find((file) => {
    const old = known.get(file.path);
    return (
      old?.inode !== file.inode ||
      old.modifiedAtMs !== file.modifiedAtMs ||
      old.sizeBytes !== file.sizeBytes ||
      (old.changedAtMs !== file.changedAtMs && old.links === 1)
    );
  });
}
