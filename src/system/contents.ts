import { lstatSync } from "node:fs";
import { messageOf, systemCodeOf } from "../errors.ts";
import type { Clock } from "./clock.ts";
import { type Directories, DirectoryChanged, release, within } from "./directory.ts";
import { Turns } from "./turns.ts";
import { childrenOf, entryOf, type FileEntry, isUtf8 } from "./walk.ts";

/** What is in a directory that is to go as a unit. */
export interface Contents {
  readonly files: readonly FileEntry[];
  /** Why it cannot go as a unit: it holds what the rule did not expect, or cannot be looked into. */
  readonly obstacle: string | undefined;
}

export interface ContentsOptions {
  /** Whether it may hold a name. */
  readonly isExpected: (name: string) => boolean;
  /** Which pattern preserves a path. */
  readonly guardOf: (path: string) => string | undefined;
  readonly directories: Directories;
  readonly clock: Clock;
}

/** What a directory holds. Never rejects: what cannot be looked into is an obstacle. */
export async function contentsOf(directory: FileEntry, options: ContentsOptions): Promise<Contents> {
  const { isExpected, guardOf, directories, clock } = options;
  const turns = new Turns(clock);
  const files: FileEntry[] = [];
  try {
    const held = directories.hold(directory.path);
    try {
      for (const child of childrenOf(held)) {
        const { name } = child;
        if (!child.isFile() || !isExpected(name) || !isUtf8(name)) {
          return { files, obstacle: `it holds ${JSON.stringify(name)}` };
        }
        const path = `${directory.path}/${name}`;
        const guard = guardOf(path);
        if (guard !== undefined) {
          return { files, obstacle: `${JSON.stringify(name)} in it is preserved (${guard})` };
        }
        const stats = lstatSync(within(held, name), { throwIfNoEntry: false });
        if (stats !== undefined) files.push(entryOf(path, stats));
        if (turns.isDue) await turns.take();
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
