import { linkSync, lstatSync, mkdirSync, renameSync, rmdirSync, unlinkSync } from "node:fs";
import { systemCodeOf } from "../errors.ts";

/**
 * Moves something to a path where nothing is, both reached through held directories. Answers what kept it from being
 * moved, if anything did. Never overwrites, whatever happens at the same time: a name that is taken makes link(2) and
 * mkdir(2) fail, and rename(2) puts a directory over nothing but an empty one, which is ours.
 */
export function putBack(from: string, to: string, isDirectory: boolean): string | undefined {
  try {
    if (isDirectory) moveDirectory(from, to);
    else moveFile(from, to);
    return undefined;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === "EEXIST" || code === "ENOTEMPTY" || code === "ENOTDIR") return "something else is there now";
    if (code === "EPERM") return "it cannot be linked (EPERM): its owner, or root, could";
    if (code === undefined) throw error;
    return `it cannot be moved there: ${code}`;
  }
}

/** For a moment it has both names; a crash in between leaves them, and the next try ends it. */
function moveFile(from: string, to: string): void {
  if (!isSameFile(from, to)) linkSync(from, to);
  unlinkSync(from);
}

function isSameFile(a: string, b: string): boolean {
  const there = lstatSync(b, { throwIfNoEntry: false });
  if (there === undefined) return false;
  const { dev, ino } = lstatSync(a);
  return there.dev === dev && there.ino === ino;
}

function moveDirectory(from: string, to: string): void {
  mkdirSync(to, 0o700);
  try {
    renameSync(from, to);
  } catch (error) {
    if (lstatSync(from, { throwIfNoEntry: false }) !== undefined) removeIfEmpty(to);
    throw error;
  }
}

/** Removes a directory unless there is something in it by now. */
export function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    const code = systemCodeOf(error) ?? "";
    if (!["ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR"].includes(code)) throw error;
  }
}
