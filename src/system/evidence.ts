import type { FileEntry } from "./file-entry.ts";

/** Whether what is seen now is what was observed, as far as that outlives a move; see `isSame`. */
export function isSameMoved(entry: FileEntry, now: FileEntry): boolean {
  if (entry.device !== now.device || entry.inode !== now.inode) return false;
  if (entry.kind === "directory") return now.kind === "directory";
  return entry.modifiedAtMs === now.modifiedAtMs && entry.sizeBytes === now.sizeBytes;
}

/**
 * Whether what is seen now is what was observed. A directory's times and size change with what is in it, so only its
 * identity counts. The time of the last change tells of a rewrite whose other times were put back; of a file with
 * several names it changes also when one of the others goes.
 */
export function isSame(entry: FileEntry, now: FileEntry): boolean {
  if (!isSameMoved(entry, now)) return false;
  return entry.kind === "directory" || entry.changedAtMs === now.changedAtMs || entry.links > 1;
}

/** The first of the files seen now that was not seen so before. */
export function firstNews(before: readonly FileEntry[], now: readonly FileEntry[]): FileEntry | undefined {
  const known = new Map(before.map((file) => [file.path, file]));
  return now.find((file) => {
    const old = known.get(file.path);
    return old === undefined || !isSame(old, file);
  });
}
