import { realpathSync } from "node:fs";
import { posix } from "node:path";
import { escapeGlob } from "../config/always-preserved.ts";
import { systemCodeOf } from "../errors.ts";

/**
 * A preserve list with the real names of what it names through symbolic links: `current/**` is also
 * `releases/5/**` when `current` leads there. The walk follows no link, so it knows things by their real names only.
 * Links are looked at once, now. A link that leads out of the root needs nothing: nobody goes there.
 */
export function withRealNames(root: string, preserve: readonly string[]): string[] {
  return preserve.flatMap((pattern) => [pattern, ...realNameOf(root, pattern)]);
}

function realNameOf(root: string, pattern: string): string[] {
  const names = pattern.split("/").filter((name) => name !== "" && name !== ".");
  const sign = names.findIndex((name) => SIGNS.test(name));
  // what does not exist yet may lie behind a link that does
  for (let plain = sign === -1 ? names.length : sign; plain > 0; plain -= 1) {
    const named = posix.join(root, ...names.slice(0, plain).map(unescapeGlob));
    const real = realPathOf(named);
    if (real === undefined) continue;
    if (!real.startsWith(`${root}/`) || real === named) return [];
    return [[escapeGlob(real.slice(root.length + 1)), ...names.slice(plain)].join("/")];
  }
  return [];
}

/** Whether a name of a pattern stands for more than itself. */
const SIGNS = /(?<!\\)[*?[{]/;

function unescapeGlob(name: string): string {
  return name.replaceAll(/\\(.)/gs, "$1");
}

/** `undefined`: there is nothing, or a link that leads nowhere. */
function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    return undefined;
  }
}
