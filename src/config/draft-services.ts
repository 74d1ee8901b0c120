import { basename, dirname, join } from "node:path";
import { escapeGlob } from "./always-preserved.ts";
import { expressionFor, expressionOfName } from "./draft-expression.ts";

/** A service as it is guessed from pid files. */
export interface ServiceDraft {
  readonly name: string;
  readonly pidFiles: readonly string[];
  readonly matches: string;
  readonly note: string;
}

/** What Celery's pid files are called, in the order in which the services should be stopped. */
const CELERY = [
  {
    name: "celery-beat",
    says: /beat/i,
    matches: "celery.*\\bbeat\\b",
    note: "before the workers: no new work",
  },
  { name: "flower", says: /flower/i, matches: "celery.*\\bflower\\b", note: "only watches" },
  {
    name: "celery-workers",
    says: /celery|worker/i,
    matches: "celery.*\\bworker\\b",
    note: "finish their tasks",
  },
];

/** What is known of an application's services: its pid files, and the command lines of those that run. */
interface Known {
  readonly pidFiles: readonly string[];
  readonly programs: ReadonlyMap<string, string>;
}

/**
 * The services that pid files speak of: Celery's by their known names, unless what runs is something else; others by the
 * file's own name.
 */
export function draftServices({ pidFiles, programs }: Known): ServiceDraft[] {
  let rest = pidFiles;
  const known = CELERY.flatMap(({ says, ...service }) => {
    const isRunning = new RegExp(service.matches);
    const own = rest.filter((path) => {
      const program = programs.get(path);
      return says.test(basename(path)) && (program === undefined || isRunning.test(program));
    });
    rest = rest.filter((path) => !own.includes(path));
    return own.length === 0 ? [] : [{ ...service, pidFiles: globsOf(own) }];
  });
  return [...known, ...otherServices({ pidFiles: rest, programs })];
}

/** One service for each program that has pid files; the numbers at the end of their names do not count. */
function otherServices({ pidFiles, programs }: Known): ServiceDraft[] {
  const names = new Map<string, string[]>();
  for (const path of pidFiles) {
    const name = basename(path, ".pid").replace(/[^A-Za-z]*$/, "");
    names.set(name, [...(names.get(name) ?? []), path]);
  }
  const taken = new Set(CELERY.map(({ name }) => name));
  return [...names].map(([name, paths]) => ({
    name: freeName(name, taken),
    pidFiles: globsOf(paths),
    ...identityOf(
      name,
      paths.flatMap((path) => programs.get(path) ?? []),
    ),
  }));
}

/** By what runs now; else by the name. */
function identityOf(name: string, commandLines: readonly string[]): Pick<ServiceDraft, "matches" | "note"> {
  const expressions = commandLines.map(
    (line) =>
      CELERY.find(({ matches }) => new RegExp(matches).test(line))?.matches ?? expressionFor(line) ?? "",
  );
  if (expressions.length > 0 && !expressions.includes(""))
    return { matches: [...new Set(expressions)].join("|"), note: "matches what its pid file names now" };
  const matches = name === "" ? "command of this service" : expressionOfName(name);
  const isMatching = commandLines.every((line) => new RegExp(matches).test(line));
  const note = isMatching
    ? "guessed: check the expression against its command line"
    : "guessed, and does not match what runs now: write what does";
  return { matches, note };
}

function freeName(program: string, taken: Set<string>): string {
  const plain = program
    .replaceAll(/[^A-Za-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "")
    .toLowerCase()
    .slice(0, 50);
  const base = plain === "" ? "service" : plain;
  let name = base;
  for (let count = 2; taken.has(name); count++) name = `${base}-${count}`;
  taken.add(name);
  return name;
}

/** The file itself, or for several of one directory what their names begin with. */
function globsOf(paths: readonly string[]): string[] {
  const globs = new Map<string, string[]>();
  for (const path of paths) globs.set(dirname(path), [...(globs.get(dirname(path)) ?? []), basename(path)]);
  return [...globs].flatMap(([directory, names]) => {
    const start = commonStart(names);
    if (names.length === 1 || start === "") return names.map((name) => escapeGlob(join(directory, name)));
    return [`${escapeGlob(join(directory, start))}*.pid`];
  });
}

function commonStart(names: readonly string[]): string {
  const [first = "", ...others] = names;
  let length = first.length;
  while (!others.every((name) => name.startsWith(first.slice(0, length)))) length--;
  return first.slice(0, length);
}
