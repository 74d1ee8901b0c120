import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "./clock.ts";
import { type Process, workingDirectoryOf } from "./proc.ts";
import type { Kin } from "./process-list.ts";
import { Turns } from "./turns.ts";

/** What runs a program that is named in its arguments. */
const INTERPRETER = /^(?:python|pypy|node|ruby|perl|php|java|deno|bun)[\d.]*$/;

/**
 * Whether a command line is that of a program which `matches`, not one that only mentions it: an editor or a `tail` on
 * a file of that name, a shell with the words in its script. The match must begin in the program's own name, or, for an
 * interpreter, in its first arguments (`python3 -m celery …`). safe-shutdown itself is none, whatever its `--root` is.
 */
function isProgram(commandLine: string, matches: RegExp): boolean {
  if (isSafeShutdown(commandLine)) return false;
  const words = commandLine.split(" ");
  const reach = words.slice(0, isInterpreter(words[0]) ? 4 : 1).join(" ").length;
  return (matches.exec(commandLine)?.index ?? reach) < reach;
}

/**
 * Those of many that are such a program, in slices: anybody may start thousands whose arguments take an expression some
 * milliseconds each.
 */
export async function programsAmong(
  processes: readonly Process[],
  matches: RegExp,
  clock: Clock,
): Promise<Process[]> {
  const turns = new Turns(clock);
  const found: Process[] = [];
  for (const process of processes) {
    if (isProgram(process.commandLine, matches)) found.push(process);
    if (turns.isDue) await turns.take();
  }
  return found;
}

const OWN_PROGRAM = fileURLToPath(new URL("../cli/main.js", import.meta.url));

/** Whether this is a safe-shutdown, of whatever application: its maintenance worker stops others, nobody stops it. */
export function isSafeShutdown(commandLine: string): boolean {
  const words = commandLine.split(" ");
  const script = isInterpreter(words[0]) ? words.slice(1).find((word) => !word.startsWith("-")) : undefined;
  const program = script ?? words[0] ?? "";
  return program === OWN_PROGRAM || /(?:^|\/)safe-shutdown(?:\/dist\/src\/cli\/main\.js)?$/.test(program);
}

/** Whether the first word of a command line only runs what its arguments name. */
export function isInterpreter(word: string | undefined): boolean {
  return INTERPRETER.test(basename(word ?? ""));
}

/**
 * Those who work inside the root; of these only the topmost: what a stray has started, such as the pool of a Celery
 * worker, bears the same command line and is its own business.
 */
export function topmostInside(
  root: string,
  matching: readonly Process[],
  all: readonly Process[],
): Process[] {
  const inside = matching.filter(({ pid }) => isInside(workingDirectoryOf(pid), root));
  const below = new Set(inside.flatMap((stray) => descendantsOf(stray, all).map(({ pid }) => pid)));
  return inside.filter(({ pid }) => !below.has(pid));
}

function isInside(path: string | undefined, root: string): boolean {
  return path !== undefined && (path === root || path.startsWith(`${root}/`));
}

type Relative = Pick<Kin, "pid" | "parentPid" | "startTicks">;

/**
 * By one listing, for a look: who is to be signalled is held, see `ProcessTree`. A process whose number belongs to
 * another by now has no descendants: those are the other's.
 */
export function descendantsOf<Member extends Relative>(root: Relative, all: readonly Member[]): Member[] {
  if (!all.some(({ pid, startTicks }) => pid === root.pid && startTicks === root.startTicks)) return [];
  const found: Member[] = [];
  for (let parents: readonly Relative[] = [root]; parents.length > 0; ) {
    const pids = new Set(parents.map(({ pid }) => pid));
    const children = all.filter(({ pid, parentPid }) => pids.has(parentPid) && pid !== root.pid);
    found.push(...children);
    parents = children;
  }
  return found;
}
