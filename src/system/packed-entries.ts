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

/** One of them, read where it lies. */
export class PackedEntry implements FileEntry {
  /** Where it lies, and its place in the list there. */
  readonly among: PackedEntries;
  readonly index: number;

  constructor(among: PackedEntries, index: number) {
    this.among = among;
    this.index = index;
  }

  get path(): string {
    return this.among.paths[this.index] ?? "";
  }
  get kind(): FileEntry["kind"] {
    return KINDS[this.#number(0)] ?? "other";
  }
  get device(): number {
    return this.#number(1);
  }
  get inode(): number | bigint {
    return this.among.inodes.get(this.index) ?? this.#number(2);
  }
  get modifiedAtMs(): number {
    return this.#number(3);
  }
  get changedAtMs(): number {
    return this.#number(4);
  }
  get links(): number {
    return this.#number(5);
  }
  get sizeBytes(): number {
    return this.#number(6);
  }
  get freesBytes(): number {
    return this.#number(7);
  }
  get ownerId(): number {
    return this.#number(8);
  }

  #number(column: number): number {
    return this.among.numbers[this.index * COLUMNS + column] ?? Number.NaN;
  }
}

/** Those from one place in the list to another; by default all. */
export function entriesIn(among: PackedEntries, from = 0, to = among.paths.length): PackedEntry[] {
  return Array.from({ length: to - from }, (_, index) => new PackedEntry(among, from + index));
}
