import { basename, dirname, join } from "node:path";
import { escapeGlob } from "./always-preserved.ts";

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

/** The services that pid files speak of: Celery's by their known names, others by the file's own name. */
export function draftServices(pidFiles: readonly string[]): ServiceDraft[] {
  let rest = pidFiles;
  const known = CELERY.flatMap(({ says, ...service }) => {
    const own = rest.filter((path) => says.test(basename(path)));
    rest = rest.filter((path) => !own.includes(path));
    return own.length === 0 ? [] : [{ ...service, pidFiles: globsOf(own) }];
  });
  return [...known, ...otherServices(rest)];
}

/** One service for each program that has pid files; the numbers at the end of their names do not count. */
function otherServices(pidFiles: readonly string[]): ServiceDraft[] {
  const programs = new Map<string, string[]>();
  for (const path of pidFiles) {
    const program = basename(path, ".pid").replace(/[^A-Za-z]*$/, "");
    programs.set(program, [...(programs.get(program) ?? []), path]);
  }
  const taken = new Set(CELERY.map(({ name }) => name));
  return [...programs].map(([program, paths]) => ({
    name: freeName(program, taken),
    pidFiles: globsOf(paths),
    matches: program === "" ? "command of this service" : literal(program),
    note: "check the expression against its command line",
  }));
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

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
