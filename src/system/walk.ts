import { type Dirent, fstatSync, lstatSync, opendirSync, readdirSync, type Stats } from "node:fs";
import { messageOf, systemCodeOf } from "../errors.ts";
import { type Directories, DirectoryChanged, type HeldDirectory, release, within } from "./directory.ts";
import { OWN_DIRECTORY } from "./own-directory.ts";
import { type FindRule, Search, type Spot } from "./search.ts";

/** What was observed of a file: the evidence that every action on it asks for. */
export interface FileEntry {
  /** Relative to the root, with "/" between names. */
  readonly path: string;
  readonly kind: "file" | "directory" | "link" | "other";
  readonly device: number;
  readonly inode: number;
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

/** A match, or the reason why a candidate must be kept whatever the rule says. */
export type Found<Rule> = { readonly rule: Rule; readonly path: string } & (
  | { readonly entry: FileEntry; readonly kept?: undefined; readonly preserved?: undefined }
  /** It is preserved, or could not even be looked at. */
  | { readonly entry?: undefined; readonly kept: string; readonly preserved: boolean }
);

const BAD_NAME = "its name is not valid UTF-8";

/** Node puts U+FFFD where a name is not valid UTF-8: such a name cannot be acted on. */
export function isUtf8(name: string): boolean {
  return !name.includes("\uFFFD");
}

/**
 * One pass over the tree below the root for all rules at once; the first rule that matches takes the entry.
 * Never follows a symbolic link, never leaves the file system, never enters a preserved directory, a
 * virtual environment, or a directory that no pattern reaches. Directories are read in chunks: memory does not
 * grow with their size. Yields `undefined` now and then, so that a long search can be paused where it finds nothing.
 */
export function* walk<Rule extends FindRule>(
  directories: Directories,
  rules: readonly Rule[],
  preserve: readonly string[] | undefined,
): Generator<Found<Rule> | undefined> {
  const search = new Search(rules, preserve ?? []);
  const pending = [{ path: "", spot: search.top }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path, spot } = next;
    const held = hold(path);
    if (typeof held === "string") {
      yield unentered(path, held);
      continue;
    }
    try {
      let isFirst = preserve !== undefined && path !== ""; // the root was named by somebody who knows it
      for (const children of chunksOf(held)) {
        if (isFirst && isVirtualEnvironment(held, children)) break;
        isFirst = false;
        for (const child of children) {
          if (path === "" && child.name === OWN_DIRECTORY) continue;
          const found = visit(held, spot, child);
          if (found !== undefined) yield found;
        }
        yield undefined;
      }
    } catch (error) {
      const code = systemCodeOf(error); // EACCES: a directory that may be listed, but not entered
      if (code === undefined) throw error;
      yield unentered(path, `cannot be read: ${code}`);
    } finally {
      release(held);
    }
  }

  function visit(held: HeldDirectory, spot: Spot, child: Dirent): Found<Rule> | undefined {
    const { name } = child;
    const isDirectory = child.isDirectory();
    const rule = search.ruleFor(spot, name, isDirectory);
    if (rule !== undefined) return look(held, name, rule, search.guardOf(spot, name));
    if (isDirectory) {
      const below = search.enter(spot, name);
      if (below === undefined || search.guardOf(spot, name) !== undefined) return undefined;
      if (!isUtf8(name)) return unentered(pathIn(held, name), BAD_NAME);
      pending.push({ path: pathIn(held, name), spot: below });
    } else if (child.isSymbolicLink() && search.leadsThrough(spot, name))
      return unentered(pathIn(held, name), "it is a symbolic link, which is not followed");
    return undefined;
  }

  /** The open directory, or why it cannot be entered. */
  function hold(path: string): HeldDirectory | string {
    try {
      return directories.hold(path);
    } catch (error) {
      if (error instanceof DirectoryChanged) return error.message;
      return `cannot be read: ${systemCodeOf(error) ?? messageOf(error)}`;
    }
  }

  /** What may lie in such a directory is not known: it is told under the first rule. */
  function unentered(path: string, kept: string): Found<Rule> | undefined {
    const [rule] = rules;
    return rule && { rule, path, kept, preserved: false };
  }
}

function pathIn({ path }: HeldDirectory, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

/** What marks the top of a virtual environment: Python's own (PEP 405), older ones, conda's. */
const ENVIRONMENT_MARKS = ["pyvenv.cfg", "bin/activate", "conda-meta"];

/** A directory that was read to its end tells by the names in it; of a larger one it is asked. */
function isVirtualEnvironment(directory: HeldDirectory, children: readonly Dirent[]): boolean {
  const names = new Set(children.map(({ name }) => name));
  const marks = ENVIRONMENT_MARKS.filter(
    (mark) => children.length >= CHUNK || names.has(mark.split("/")[0] ?? ""),
  );
  return marks.some((mark) => lstatSync(within(directory, mark), { throwIfNoEntry: false }) !== undefined);
}

const CHUNK = 1_024;
/** Directories of more than so many bytes are read in chunks. Most are smaller, and read faster at once. */
const LARGE_BYTES = 65_536;

function* chunksOf(directory: HeldDirectory): Generator<readonly Dirent[]> {
  const path = `/proc/self/fd/${directory.fd}`;
  if (fstatSync(directory.fd).size <= LARGE_BYTES) {
    yield readdirSync(path, { withFileTypes: true });
    return;
  }
  const listing = opendirSync(path, { bufferSize: CHUNK });
  try {
    for (let child = listing.readSync(); child !== null; ) {
      const chunk: Dirent[] = [];
      for (; child !== null && chunk.length < CHUNK; child = listing.readSync()) chunk.push(child);
      yield chunk;
    }
  } finally {
    listing.closeSync();
  }
}

export function* childrenOf(directory: HeldDirectory): Generator<Dirent> {
  for (const children of chunksOf(directory)) yield* children;
}

function look<Rule>(
  directory: HeldDirectory,
  name: string,
  rule: Rule,
  preservedBy: string | undefined,
): Found<Rule> {
  const path = pathIn(directory, name);
  if (preservedBy !== undefined) return { rule, path, kept: `preserved (${preservedBy})`, preserved: true };
  if (!isUtf8(name)) return { rule, path, kept: BAD_NAME, preserved: false };
  const stats = lstatSync(within(directory, name), { throwIfNoEntry: false });
  if (stats === undefined) return { rule, path, kept: "it is gone", preserved: false };
  return { rule, path, entry: entryOf(path, stats) };
}

/** The evidence in a stat. */
export function entryOf(path: string, stats: Stats): FileEntry {
  return {
    path,
    kind: kindOf(stats),
    device: stats.dev,
    inode: stats.ino,
    modifiedAtMs: stats.mtimeMs,
    changedAtMs: stats.ctimeMs,
    links: stats.nlink,
    sizeBytes: stats.size,
    freesBytes: bytesFreedBy(stats),
    ownerId: stats.uid,
  };
}

function kindOf(stats: Stats): FileEntry["kind"] {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "link" : "other";
}

/** Very small files may be stored with their inode, in no block at all. */
function bytesFreedBy(stats: Stats): number {
  if (stats.isDirectory() || stats.nlink > 1) return 0;
  if (stats.blocks === 0) return stats.size <= 4_096 ? stats.size : 0;
  return Math.min(stats.size, stats.blocks * 512);
}
