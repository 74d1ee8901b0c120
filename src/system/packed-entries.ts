import type { FileEntry } from "./file-entry.ts";

/** Entries as they go from one process to another: columns are quick to write and to read. */
export interface PackedEntries {
  readonly paths: readonly string[];
  /** `COLUMNS` numbers for each. */
  readonly numbers: Float64Array;
  /** By their place in the list, the inodes that no number can hold. */
  readonly inodes: ReadonlyMap<number, bigint>;
}

const KINDS = ["file", "directory", "link", "other"] as const;
const COLUMNS = 9;

export function packEntries(entries: readonly FileEntry[]): PackedEntries {
  const numbers = new Float64Array(entries.length * COLUMNS);
  const inodes = new Map<number, bigint>();
  let at = 0;
  for (const [index, entry] of entries.entries()) {
    const { inode } = entry;
    if (typeof inode === "bigint") inodes.set(index, inode);
    numbers[at] = KINDS.indexOf(entry.kind);
    numbers[at + 1] = entry.device;
    numbers[at + 2] = Number(inode);
    numbers[at + 3] = entry.modifiedAtMs;
    numbers[at + 4] = entry.changedAtMs;
    numbers[at + 5] = entry.links;
    numbers[at + 6] = entry.sizeBytes;
    numbers[at + 7] = entry.freesBytes;
    numbers[at + 8] = entry.ownerId;
    at += COLUMNS;
  }
  return { paths: entries.map(({ path }) => path), numbers, inodes };
}

export function unpackEntries({ paths, numbers, inodes }: PackedEntries): FileEntry[] {
  const number = (index: number) => numbers[index] ?? Number.NaN;
  return paths.map((path, index) => {
    const at = index * COLUMNS;
    return {
      path,
      kind: KINDS[number(at)] ?? "other",
      device: number(at + 1),
      inode: inodes.get(index) ?? number(at + 2),
      modifiedAtMs: number(at + 3),
      changedAtMs: number(at + 4),
      links: number(at + 5),
      sizeBytes: number(at + 6),
      freesBytes: number(at + 7),
      ownerId: number(at + 8),
    };
  });
}
