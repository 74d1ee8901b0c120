import { type BigIntStats, constants, fstatSync, lstatSync, type Stats } from "node:fs";

/** What was observed of a file: the evidence that every action on it asks for. */
export interface FileEntry {
  /** Relative to the root, with "/" between names. */
  readonly path: string;
  readonly kind: "file" | "directory" | "link" | "other";
  readonly device: number;
  /** To the last digit: a `bigint` above 2^53, where overlayfs may have all of a layer and a number would be rounded. */
  readonly inode: number | bigint;
  readonly modifiedAtMs: number;
  /** When anything of it was last changed, its name or its times included; no program can set this one back. */
  readonly changedAtMs: number;
  /** How many names it has. */
  readonly links: number;
  readonly sizeBytes: number;
  /** What removing it gives back: less than its size for a sparse file, nothing for one of several links. */
  readonly freesBytes: number;
  readonly ownerId: number;
}

/** What is at a path, a link itself; to be known as `path`. `undefined`: nothing is there. */
export function lookAt(at: string, path: string): FileEntry | undefined {
  const stats = lstatSync(at, QUIETLY);
  if (stats === undefined || Number.isSafeInteger(stats.ino)) return stats && entryOf(path, stats, stats.ino);
  const exact = lstatSync(at, { ...QUIETLY, bigint: true });
  return exact && exactEntryOf(path, exact);
}

/** The same of an open file. */
export function lookAtOpen(fd: number, path: string): FileEntry {
  const stats = fstatSync(fd);
  if (Number.isSafeInteger(stats.ino)) return entryOf(path, stats, stats.ino);
  return exactEntryOf(path, fstatSync(fd, { bigint: true }));
}

/** Node puts U+FFFD where a name is not valid UTF-8: such a name cannot be acted on. */
export function isUtf8(name: string): boolean {
  return !name.includes("\uFFFD");
}

const QUIETLY = { throwIfNoEntry: false } as const;

type Facts = Pick<Stats, "dev" | "mode" | "nlink" | "uid" | "size" | "blocks" | "mtimeMs" | "ctimeMs">;

function entryOf(path: string, stats: Facts, inode: number | bigint): FileEntry {
  return {
    path,
    kind: kindOf(stats),
    device: stats.dev,
    inode,
    modifiedAtMs: stats.mtimeMs,
    changedAtMs: stats.ctimeMs,
    links: stats.nlink,
    sizeBytes: stats.size,
    freesBytes: bytesFreedBy(stats),
    ownerId: stats.uid,
  };
}

function exactEntryOf(path: string, stats: BigIntStats): FileEntry {
  const { dev, mode, nlink, uid, size, blocks, mtimeNs, ctimeNs } = stats;
  const facts = {
    ...{ dev: Number(dev), mode: Number(mode), nlink: Number(nlink), uid: Number(uid), size: Number(size) },
    ...{ blocks: Number(blocks), mtimeMs: Number(mtimeNs) / 1e6, ctimeMs: Number(ctimeNs) / 1e6 },
  };
  return entryOf(path, facts, BigInt.asUintN(64, stats.ino));
}

function kindOf({ mode }: Facts): FileEntry["kind"] {
  const type = mode & constants.S_IFMT;
  if (type === constants.S_IFREG) return "file";
  if (type === constants.S_IFDIR) return "directory";
  return type === constants.S_IFLNK ? "link" : "other";
}

/** Very small files may be stored with their inode, in no block at all. */
function bytesFreedBy(stats: Facts): number {
  if (kindOf(stats) === "directory" || stats.nlink > 1) return 0;
  if (stats.blocks === 0) return stats.size <= 4_096 ? stats.size : 0;
  return Math.min(stats.size, stats.blocks * 512);
}
