import { fstatSync, lstatSync, type Stats } from "node:fs";
import { posix } from "node:path";
import { messageOf, type Problem, SafeShutdownError } from "../errors.ts";
import { wayTo } from "./way-to.ts";

/*
 * What root reads, root does: a config that somebody else can change would let him have done whatever he likes. So
 * root reads only what nobody else can change: the file, every directory on its way, and every link.
 */

const ROOT = 0;
/**
 * Throws `refused`, with a hint, when this runs as root and somebody else could change what is read at `path`, which
 * is open as `descriptor`: so what was checked is what is read. Does nothing for any other user.
 */
export function requireTrust(path: string, descriptor: number): void {
  if (process.geteuid?.() !== ROOT) return;
  const problem = problemOnTheWay(path, descriptor);
  if (problem !== undefined) throw new SafeShutdownError("refused", problem.message, { problems: [problem] });
}

function problemOnTheWay(path: string, descriptor: number): Problem | undefined {
  let at = path;
  try {
    for (const step of wayTo(path)) {
      const fault = faultOf(step.stats);
      if (fault !== undefined) return problemOf(path, step.at, fault, step.stats);
      at = step.at;
    }
    const [seen, open] = [lstatSync(at), fstatSync(descriptor)];
    if (seen.dev === open.dev && seen.ino === open.ino) return undefined;
    return problemOf(path, at, "changed while it was read", open);
  } catch (error) {
    return { path, message: `cannot tell who may change it: ${messageOf(error)}`, hint: "try again" };
  }
}

/** In a sticky directory, such as /tmp, nobody can take the place of what is root's. A link has no mode. */
function faultOf(stats: Stats): string | undefined {
  if (stats.uid !== ROOT) return `belongs to uid ${stats.uid}`;
  const isSticky = stats.isDirectory() && (stats.mode & 0o1000) !== 0;
  if (stats.isSymbolicLink() || isSticky || (stats.mode & 0o022) === 0) return undefined;
  const who = (stats.mode & 0o002) === 0 ? "its group" : "anybody";
  return `may be written by ${who} (mode 0${(stats.mode & 0o7777).toString(8)})`;
}

function problemOf(path: string, at: string, fault: string, { uid }: Stats): Problem {
  const what = at === posix.resolve(path) ? "it" : at;
  const mend = uid === ROOT ? `chmod go-w ${at}` : `chown root ${at}`;
  const user = uid === ROOT ? "USER" : `'#${uid}'`;
  return {
    path,
    message: `expected a file that only root can change, as root is to act on it, but ${what} ${fault}`,
    hint: `${mend}, or run it as the application's user: sudo -u ${user} safe-shutdown …`,
  };
}
