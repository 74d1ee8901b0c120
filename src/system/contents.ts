import { messageOf, systemCodeOf } from "../errors.ts";
import { DirectoryChanged, type Holder, within } from "./directory.ts";
import { type FileEntry, isUtf8, lookAt } from "./file-entry.ts";
import { childrenOf } from "./listing.ts";

/** What is in a directory that is to go as a unit. */
export interface Contents {
  readonly files: readonly FileEntry[];
  /** Why it cannot go as a unit: it holds what the rule did not expect, or cannot be looked into. */
  readonly obstacle: string | undefined;
}

export interface Expectations {
  /** Whether it may hold a name. */
  readonly isExpected: (name: string) => boolean;
  /** Which pattern preserves a path. */
  readonly guardOf: (path: string) => string | undefined;
}

/** What a directory holds; pauses after each file. Never throws: what cannot be looked into is an obstacle. */
export function* contentsOf(
  directory: FileEntry,
  holder: Holder,
  { isExpected, guardOf }: Expectations,
): Generator<void, Contents> {
  const files: FileEntry[] = [];
  try {
    const held = holder.hold(directory.path);
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
        const file = lookAt(within(held, name), path);
        if (file !== undefined) files.push(file);
        yield;
      }
    } finally {
      holder.letGo(held);
    }
    return { files, obstacle: undefined };
  } catch (error) {
    if (error instanceof DirectoryChanged) return { files, obstacle: error.message };
    return { files, obstacle: `it cannot be read: ${systemCodeOf(error) ?? messageOf(error)}` };
  }
}
