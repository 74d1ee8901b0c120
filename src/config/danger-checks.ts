import { messageOf } from "../errors.ts";
import { matcherOf, preserverOf } from "../system/patterns.ts";
import { type ConfigPath, code, type Finding, valueAt } from "./config-path.ts";
import { entriesAt, textsOf } from "./unchecked.ts";

/** Paths that nobody had in mind: a pattern that matches one of them matches whatever there is. */
const STRANGERS = ["zq7k", "zq7k.w8x", "zq7k/w8x", "zq7k/w8x.v5y", "zq7k/w8x/v5y", "zq7k/w8x/v5y.u3t"];
const PATTERN_KEYS = ["files", "directories", "pidFiles"];

/** Globs that cannot be read, and rules that mean every file there is. */
export function globFindings(input: unknown): Finding[] {
  const preserve = textsOf(valueAt(input, ["preserve"])).flatMap((glob, index) =>
    unreadable(["preserve", index], glob),
  );
  const rules = ["services", "locks", "temp"].flatMap((list) => entriesAt(input, [list]));
  const ofRules = rules.flatMap(({ path, entry }) =>
    PATTERN_KEYS.flatMap((key) => {
      const isList = Array.isArray(valueAt(entry, [key]));
      return textsOf(valueAt(entry, [key])).flatMap((glob, index) =>
        globFinding([...path, key, ...(isList ? [index] : [])], glob),
      );
    }),
  );
  return [...ofRules, ...preserve];
}

function unreadable(path: ConfigPath, glob: string): Finding[] {
  try {
    preserverOf([glob]);
    return [];
  } catch (error) {
    const message = `expected a glob, got ${code(glob)}: ${messageOf(error)}`;
    return [{ path, message, hint: "what is not meant as a sign of the glob is escaped with \\" }];
  }
}

function globFinding(path: ConfigPath, glob: string): Finding[] {
  const findings = unreadable(path, glob);
  if (findings.length > 0 || !STRANGERS.some(matcherOf([glob]))) return findings;
  return [
    {
      path,
      message: `expected a glob for certain files, got ${code(glob)}, which matches any`,
      hint: "name a directory or a part of the name, such as tmp/** or **/*.tmp",
    },
  ];
}

const STRANGE_COMMAND = "/q7/q --q7 q7";

/** Expressions that prove nothing about a process, because any command line matches them. */
export function processFindings(input: unknown): Finding[] {
  return entriesAt(input, ["services"]).flatMap(({ path, entry }) => {
    const source = valueAt(entry, ["matches"]);
    if (typeof source !== "string" || source === "" || !matchesAnything(source)) return [];
    return [
      {
        path: [...path, "matches"],
        message: `expected an expression for this service's command line, got ${code(source)}, which matches any`,
        hint: "name the program and what makes it this one, such as celery.*\\bworker\\b",
      },
    ];
  });
}

function matchesAnything(source: string): boolean {
  try {
    return new RegExp(source).test(STRANGE_COMMAND);
  } catch {
    return false;
  }
}
