import { lstatSync } from "node:fs";
import { posix } from "node:path";
import { messageOf, systemCodeOf } from "../errors.ts";
import { type Directories, DirectoryChanged, release, within } from "./directory.ts";
import { matcherOf } from "./patterns.ts";
import { childrenOf, entryOf, type FileEntry, isUtf8 } from "./walk.ts";

/** What is in a directory that is to go as a unit. */
export interface Contents {
  readonly files: readonly FileEntry[];
  /** Why it cannot go as a unit: it holds what the rule did not expect, or cannot be looked into. */
  readonly obstacle: string | undefined;
}

/**
 * What a directory holds; `holding` are the globs of the names it may hold, `guardOf` says which pattern preserves
 * a path.
 */
export function contentsOf(
  directory: FileEntry,
  holding: readonly string[],
  directories: Directories,
  guardOf: (path: string) => string | undefined,
): Contents {
  const isExpected = matcherOf(holding);
  const files: FileEntry[] = [];
  try {
    const held = directories.hold(directory.path);
    try {
      for (const child of childrenOf(held)) {
        const { name } = child;
        if (!child.isFile() || !isExpected(name) || !isUtf8(name)) {
          return { files, obstacle: `it holds ${JSON.stringify(name)}` };
        }
        const guard = guardOf(posix.join(directory.path, name));
        if (guard !== undefined) {
          return { files, obstacle: `${JSON.stringify(name)} in it is preserved (${guard})` };
        }
        const stats = lstatSync(within(held, name), { throwIfNoEntry: false });
        if (stats !== undefined) files.push(entryOf(posix.join(directory.path, name), stats));
      }
    } finally {
      release(held);
    }
    return { files, obstacle: undefined };
  } catch (error) {
    if (error instanceof DirectoryChanged) return { files, obstacle: error.message };
    return { files, obstacle: `it cannot be read: ${systemCodeOf(error) ?? messageOf(error)}` };
  }
}
