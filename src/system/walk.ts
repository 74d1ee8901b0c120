import { type Dirent, lstatSync, opendirSync, type Stats } from "node:fs";
import { messageOf, systemCodeOf } from "../errors.ts";
import { type Directories, DirectoryChanged, type HeldDirectory, release, within } from "./directory.ts";
import { descentOf, type Matcher, matcherOf, preserverOf, routeOf } from "./patterns.ts";

/** What was observed of a file: the evidence that every action on it asks for. */
export interface FileEntry {
  /** Relative to the root, with "/" between names. */
  readonly path: string;
  readonly kind: "file" | "directory" | "link" | "other";
  readonly device: number;
  readonly inode: number;
  readonly modifiedAtMs: number;
  readonly sizeBytes: number;
  /** What removing it gives back: less than its size for a sparse file, nothing for one of several links. */
  readonly freesBytes: number;
  readonly ownerId: number;
}

/** Patterns that are looked for together. `kind` of `directories`: only directories, taken as a unit. */
export interface FindRule {
  readonly kind?: string;
  readonly patterns: readonly string[];
}

/** A match, or the reason why a candidate must be kept whatever the rule says. */
export type Found<Rule> = { readonly rule: Rule; readonly path: string } & (
  | { readonly entry: FileEntry; readonly kept?: undefined; readonly preserved?: undefined }
  /** It is preserved, or could not even be looked at. */
  | { readonly entry?: undefined; readonly kept: string; readonly preserved: boolean }
);

interface Target<Rule> {
  readonly rule: Rule;
  readonly takesDirectories: boolean;
  readonly matches: Matcher;
}

const BAD_NAME = "its name is not valid UTF-8";

/** Node puts U+FFFD where a name is not valid UTF-8: such a name cannot be acted on. */
export function isUtf8(name: string): boolean {
  return !name.includes("\uFFFD");
}

/**
 * One pass over the tree below the root for all rules at once; the first rule that matches takes the entry.
 * Never follows a symbolic link, never leaves the file system, never enters a preserved directory, a
 * virtual environment, or a directory that no pattern reaches. Directories are read in chunks: memory does not
 * grow with their size. Yields `undefined` for whatever is no candidate, so that a long search can be paused.
 */
export function* walk<Rule extends FindRule>(
  directories: Directories,
  rules: readonly Rule[],
  preserve: readonly string[] | undefined,
): Generator<Found<Rule> | undefined> {
  const targets = rules.map((rule) => ({
    rule,
    takesDirectories: rule.kind === "directories",
    matches: matcherOf(rule.patterns),
  }));
  const leadsSomewhere = descentOf(rules.flatMap((rule) => rule.patterns));
  const preserver = preserverOf(preserve ?? []);
  const isOnRoute = routeOf(rules.flatMap((rule) => rule.patterns));

  const pending = [""];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const held = hold(path);
    if (typeof held === "string") {
      yield unentered(path, held);
      continue;
    }
    try {
      if (preserve !== undefined && path !== "" && isVirtualEnvironment(held)) continue;
      for (const child of childrenOf(held)) {
        const childPath = path === "" ? child.name : `${path}/${child.name}`;
        const target = targetOf(childPath, child, targets);
        if (target !== undefined) yield look(held, child.name, childPath, target, preserver(childPath));
        else if (child.isDirectory() && leadsSomewhere(childPath) && preserver(childPath) === undefined) {
          if (isUtf8(child.name)) pending.push(childPath);
          else yield unentered(childPath, BAD_NAME);
        } else if (child.isSymbolicLink() && isOnRoute(childPath)) {
          yield unentered(childPath, "it is a symbolic link, which is not followed");
        } else yield undefined;
      }
    } catch (error) {
      const code = systemCodeOf(error); // EACCES: a directory that may be listed, but not entered
      if (code === undefined) throw error;
      yield unentered(path, `cannot be read: ${code}`);
    } finally {
      release(held);
    }
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

function targetOf<Rule>(
  path: string,
  child: Dirent,
  targets: readonly Target<Rule>[],
): Target<Rule> | undefined {
  const isDirectory = child.isDirectory();
  return targets.find((target) => target.takesDirectories === isDirectory && target.matches(path));
}

/** What marks the top of a virtual environment: Python's own (PEP 405), older ones, conda's. */
const ENVIRONMENT_MARKS = ["pyvenv.cfg", "bin/activate", "conda-meta"];

function isVirtualEnvironment(directory: HeldDirectory): boolean {
  return ENVIRONMENT_MARKS.some(
    (mark) => lstatSync(within(directory, mark), { throwIfNoEntry: false }) !== undefined,
  );
}

export function* childrenOf(directory: HeldDirectory): Generator<Dirent> {
  const listing = opendirSync(`/proc/self/fd/${directory.fd}`, { bufferSize: 256 });
  try {
    for (let child = listing.readSync(); child !== null; child = listing.readSync()) yield child;
  } finally {
    listing.closeSync();
  }
}

function look<Rule>(
  directory: HeldDirectory,
  name: string,
  path: string,
  { rule }: Target<Rule>,
  preservedBy: string | undefined,
): Found<Rule> {
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
