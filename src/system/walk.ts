import type { Dirent } from "node:fs";
import { messageOf, systemCodeOf } from "../errors.ts";
import { DirectoryChanged, type Held, type Holder, within } from "./directory.ts";
import { type FileEntry, isUtf8, lookAt } from "./file-entry.ts";
import { chunksOf, isLarge, isVirtualEnvironment } from "./listing.ts";
import { OWN_DIRECTORY } from "./own-directory.ts";
import type { FindRule, Search, Spot } from "./search.ts";

/** A match, or the reason why a candidate must be kept whatever the rule says. */
export type Found<Rule> = { readonly rule: Rule; readonly path: string } & (
  | { readonly entry: FileEntry; readonly kept?: undefined; readonly preserved?: undefined }
  /** It is preserved, or could not even be looked at. */
  | { readonly entry?: undefined; readonly kept: string; readonly preserved: boolean }
);

/** A directory to be walked. */
export interface Pending {
  readonly path: string;
  /** Where it is in the search, if that is known already. */
  readonly spot?: Spot;
}

export interface WalkOptions {
  /** Stops between two directories once so many entries were passed; counted down. Default: never. */
  readonly budget?: { entries: number };
  /** Large directories are put here instead of being walked. */
  readonly leaveOut?: string[];
}

const BAD_NAME = "its name is not valid UTF-8";

/** So many are looked at before they are told. */
const HANDFUL = 256;

/**
 * Walks the tree below the `pending` directories for all rules at once, the last of them first; the first rule that
 * matches takes the entry. What is not walked yet is in `pending` whenever something was told.
 *
 * Never follows a symbolic link, never leaves the file system, never enters a preserved directory, a virtual
 * environment, or a directory that no pattern reaches. Memory does not grow with a directory's size. Tells nothing now
 * and then, so that a long search can be paused where it finds nothing.
 */
export function* walk<Rule extends FindRule>(
  holder: Holder,
  search: Search<Rule>,
  pending: Pending[],
  { budget = { entries: Number.POSITIVE_INFINITY }, leaveOut }: WalkOptions = {},
): Generator<readonly Found<Rule>[]> {
  const take = () => (budget.entries > 0 ? pending.pop() : undefined);
  for (let next = take(); next !== undefined; next = take()) {
    const { path, spot } = next;
    const held = hold(path);
    if (typeof held === "string") {
      yield unentered(path, held);
      continue;
    }
    try {
      if (leaveOut !== undefined && isLarge(held)) leaveOut.push(path);
      else yield* lookAround(held, spot ?? search.spotOf(path));
    } catch (error) {
      const code = systemCodeOf(error); // EACCES: a directory that may be listed, but not entered
      if (code === undefined) throw error;
      yield unentered(path, `cannot be read: ${code}`);
    } finally {
      holder.letGo(held);
    }
  }

  function* lookAround(held: Held, spot: Spot): Generator<readonly Found<Rule>[]> {
    let mayBeEnvironment = search.keepsEnvironments && held.path !== ""; // the root was named by somebody who knows it
    let found: Found<Rule>[] = [];
    for (const children of chunksOf(held)) {
      if (mayBeEnvironment && isVirtualEnvironment(held, children)) return;
      mayBeEnvironment = false;
      budget.entries -= children.length;
      for (const child of children) {
        if (held.path === "" && child.name === OWN_DIRECTORY) continue;
        const one = visit(held, spot, child);
        if (one !== undefined) found.push(one);
        if (found.length < HANDFUL) continue;
        yield found;
        found = [];
      }
      yield found;
      found = [];
    }
  }

  function visit(held: Held, spot: Spot, child: Dirent): Found<Rule> | undefined {
    const { name } = child;
    const isDirectory = child.isDirectory();
    const rule = search.ruleFor(spot, name, isDirectory);
    if (rule !== undefined) return look(held, name, rule, search.guardOf(spot, name));
    if (isDirectory) {
      const below = search.enter(spot, name);
      if (below === undefined || search.guardOf(spot, name) !== undefined) return undefined;
      if (!isUtf8(name)) return unentered(pathIn(held, name), BAD_NAME)[0];
      pending.push({ path: pathIn(held, name), spot: below });
    } else if (child.isSymbolicLink() && search.leadsThrough(spot, name))
      return unentered(pathIn(held, name), "it is a symbolic link, which is not followed")[0];
    return undefined;
  }

  /** The held directory, or why it cannot be entered. */
  function hold(path: string): Held | string {
    try {
      return holder.hold(path);
    } catch (error) {
      if (error instanceof DirectoryChanged) return error.message;
      return `cannot be read: ${systemCodeOf(error) ?? messageOf(error)}`;
    }
  }

  /** What may lie in such a directory is not known: it is told under the first rule. */
  function unentered(path: string, kept: string): Found<Rule>[] {
    const [rule] = search.rules;
    return rule === undefined ? [] : [{ rule, path, kept, preserved: false }];
  }
}

function pathIn({ path }: Held, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

function look<Rule>(held: Held, name: string, rule: Rule, preservedBy: string | undefined): Found<Rule> {
  const path = pathIn(held, name);
  if (preservedBy !== undefined) return { rule, path, kept: `preserved (${preservedBy})`, preserved: true };
  if (!isUtf8(name)) return { rule, path, kept: BAD_NAME, preserved: false };
  const entry = lookAt(within(held, name), path);
  if (entry === undefined) return { rule, path, kept: "it is gone", preserved: false };
  return { rule, path, entry };
}
