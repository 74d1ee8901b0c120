import { createHash } from "node:crypto";
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** One path as it stood; times in nanoseconds. Access times are left out: looking changes them. */
interface Entry {
  readonly type: "file" | "directory" | "link" | "other";
  readonly mode: number;
  readonly size: number;
  readonly modifiedAtNs: bigint;
  readonly changedAtNs: bigint;
  readonly inode: bigint;
  /** Of a file's bytes, or of what a symbolic link says. */
  readonly sha256: string | undefined;
}

/** Paths relative to the root (which itself is `.`), sorted. */
export type Listing = ReadonlyMap<string, Entry>;

export interface Difference {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** `path: what` for each path that is in both and not the same, such as `a.log: size, sha256`. */
  readonly changed: readonly string[];
}

/** All that is below a directory, with everything that an intruder's hand could change. Follows no links. */
export function snapshot(root: string): Listing {
  const listing = new Map<string, Entry>([[".", entryOf(root)]]);
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" });
  for (const path of paths.sort()) listing.set(path, entryOf(join(root, path)));
  return listing;
}

/** What it takes to come from one listing to the other. */
export function diff(before: Listing, after: Listing): Difference {
  const changed: string[] = [];
  for (const [path, entry] of before) {
    const now = after.get(path);
    const what = now ? changesIn(entry, now) : [];
    if (what.length > 0) changed.push(`${path}: ${what.join(", ")}`);
  }
  return {
    added: [...after.keys()].filter((path) => !before.has(path)),
    removed: [...before.keys()].filter((path) => !after.has(path)),
    changed,
  };
}

function changesIn(before: Entry, after: Entry): string[] {
  const facts = ["type", "mode", "size", "modifiedAtNs", "changedAtNs", "inode", "sha256"] as const;
  return facts.filter((fact) => before[fact] !== after[fact]);
}

function entryOf(path: string): Entry {
  const stats = lstatSync(path, { bigint: true });
  return {
    type: typeOf(stats),
    mode: Number(stats.mode & 0o7777n),
    size: Number(stats.size),
    modifiedAtNs: stats.mtimeNs,
    changedAtNs: stats.ctimeNs,
    inode: stats.ino,
    sha256: contentOf(path, stats),
  };
}

function typeOf(stats: BigIntStats): Entry["type"] {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "link" : "other";
}

function contentOf(path: string, stats: BigIntStats): string | undefined {
  if (stats.isFile()) return createHash("sha256").update(readFileSync(path)).digest("hex");
  if (stats.isSymbolicLink()) return createHash("sha256").update(readlinkSync(path)).digest("hex");
  return undefined;
}
