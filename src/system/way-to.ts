import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { posix } from "node:path";

/** As many links as the kernel follows (path_resolution(7)). */
const MOST_LINKS = 40;

/** One step on the way to a path: a directory, a link, or what is there at the end. */
export interface Step {
  readonly at: string;
  readonly stats: Stats;
}

/**
 * Every step on the way to a path, from `/` on, links followed as the kernel does it. The last one is what is there, by
 * its real path. Throws when nothing is.
 */
export function* wayTo(path: string): Generator<Step> {
  const pending = namesOf(posix.resolve(path));
  let at = "/";
  let links = 0;
  let isEnd = false;
  for (let name: string | undefined = ""; name !== undefined; name = pending.shift()) {
    const next = posix.join(at, name);
    const stats = lstatSync(next);
    yield { at: next, stats };
    isEnd = !stats.isSymbolicLink();
    if (isEnd) {
      at = next;
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) throw new Error(`${next} leads through too many links`);
    const target = readlinkSync(next);
    if (target.startsWith("/")) at = "/";
    pending.unshift(...namesOf(target));
  }
  if (!isEnd) yield { at, stats: lstatSync(at) }; // the last link led to `/` or to `.`
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}
