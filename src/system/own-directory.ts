import { fstatSync, fsyncSync, lstatSync, mkdirSync, type Stats } from "node:fs";
import { posix } from "node:path";
import { messageOf, SafeShutdownError, systemCodeOf } from "../errors.ts";
import { Directories, type HeldDirectory, release, within } from "./directory.ts";

/** What the program keeps for itself in an application's root. It is never walked, and no rule reaches it. */
export const OWN_DIRECTORY = ".safe-shutdown";

/**
 * Opens our own directory, or one below it, which nobody but its owner may enter (mode 0700). The caller releases it.
 * `undefined`: it is not there. `make`: what is missing is made, and is on disk when this returns.
 * Throws `refused` for what somebody else may have planted there: a link, another kind of file, a mount, a directory
 * of another owner or open to others.
 */
export function holdOwn(root: string, names: readonly string[], make: boolean): HeldDirectory | undefined {
  const directories = new Directories(root);
  let held = directories.hold("");
  for (const name of [OWN_DIRECTORY, ...names]) {
    const parent = held;
    const path = posix.join(parent.path, name);
    try {
      if (make) makeIn(parent, name);
      const stats = lstatSync(within(parent, name), { throwIfNoEntry: false });
      if (stats === undefined) return undefined;
      const obstacle = obstacleIn(stats);
      if (obstacle !== undefined) throw new Error(obstacle);
      held = directories.hold(path);
      const changed = obstacleIn(fstatSync(held.fd));
      if (changed === undefined) continue;
      release(held);
      throw new Error(changed);
    } catch (error) {
      throw refusal(path, messageOf(error), error);
    } finally {
      release(parent);
    }
  }
  return held;
}

function makeIn(parent: HeldDirectory, name: string): void {
  try {
    mkdirSync(within(parent, name), 0o700);
    fsyncSync(parent.fd);
  } catch (error) {
    if (systemCodeOf(error) === "EEXIST") return;
    throw new Error(`it cannot be made: ${systemCodeOf(error) ?? messageOf(error)}`, { cause: error });
  }
}

/** Why a file of our own is not to be trusted, if it is not; `isKind` tells whether it is what it should be. */
export function obstacleIn(stats: Stats, expected: "directory" | "file" = "directory"): string | undefined {
  if (stats.isSymbolicLink()) return "it is a symbolic link";
  if (!(expected === "file" ? stats.isFile() : stats.isDirectory())) return `it is no ${expected}`;
  const userId = process.geteuid?.();
  if (stats.uid !== userId) return `it belongs to uid ${stats.uid}, and this is uid ${userId}`;
  const mode = stats.mode & 0o7777;
  if ((mode & 0o077) !== 0) return `others may use it (mode 0${mode.toString(8)})`;
  if (expected === "file" && stats.nlink !== 1) return "it has another name elsewhere (a hard link)";
  return undefined;
}

/** What is said when something of our own cannot be used: then nothing may be removed. */
export function refusal(path: string, why: string, cause?: unknown): SafeShutdownError {
  return new SafeShutdownError(
    "refused",
    `nothing is removed that is not written down first, and ${path} cannot be used: ${why}`,
    { cause },
  );
}
