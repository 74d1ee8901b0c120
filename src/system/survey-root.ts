import { join } from "node:path";
import glob from "fast-glob";
import { programOfPidFile } from "./program-of-pid-file.ts";
import { readTextFile } from "./text-file.ts";

/** What an application keeps in its root; paths are relative to it, sorted. */
export interface RootSurvey {
  /** From pyproject.toml or package.json. */
  readonly projectName: string | undefined;
  readonly pidFiles: readonly string[];
  /** By pid file: the command line of the running process that it names. */
  readonly programs: ReadonlyMap<string, string>;
  readonly lockFiles: readonly string[];
  readonly sessionFiles: readonly string[];
  readonly beatSchedules: readonly string[];
  /** Directories that hold `*.log` files, current or rotated; `.` is the root. */
  readonly logDirectories: readonly string[];
  readonly hasPythonCode: boolean;
  /** Where the application's own config says how often it fetches: `config/config.json#/FETCH_INTERVAL_SECONDS`. */
  readonly fetchIntervals: readonly string[];
}

/** Directories that are someone else's, or too large to look into. */
const ELSEWHERE = [
  "**/node_modules/**",
  "**/.git/**",
  ".safe-shutdown/**",
  "**/.venv/**",
  "**/venv/**",
  "data/**",
  "backups/**",
];
const FETCH_INTERVAL = "FETCH_INTERVAL_SECONDS";

/** Looks at an application's root, three directories deep, without following links. Changes nothing. */
export async function surveyRoot(root: string): Promise<RootSurvey> {
  const find = async (patterns: string[]): Promise<string[]> =>
    (
      await glob(patterns, {
        cwd: root,
        deep: 3,
        dot: true,
        followSymbolicLinks: false,
        ignore: ELSEWHERE,
        suppressErrors: true,
      })
    ).sort();
  const logs = await find(["**/*.log", "**/*.log.*"]);
  const pidFiles = await find(["**/*.pid"]);
  const settings = await find(["*.json", "config/*.json"]);
  return {
    projectName: projectNameOf(root),
    pidFiles,
    programs: new Map(
      pidFiles.flatMap((path) => {
        const program = programOfPidFile(root, path);
        return program === undefined ? [] : [[path, program] as const];
      }),
    ),
    lockFiles: await find(["**/*.lock"]),
    sessionFiles: await find(["**/*.session"]),
    beatSchedules: await find(["**/celerybeat-schedule*"]),
    logDirectories: [...new Set(logs.map((path) => join(path, "..")))],
    hasPythonCode: (await find(["**/*.py", "**/*.pyc"])).length > 0,
    fetchIntervals: settings.flatMap((file) => fetchIntervalsOf(root, file)),
  };
}

function projectNameOf(root: string): string | undefined {
  const pyproject = textOf(root, "pyproject.toml") ?? "";
  const python = /^\[(?:project|tool\.poetry)\][^[]*?^name\s*=\s*["']([^"'\n]+)["']/ms.exec(pyproject);
  const name: unknown = python?.[1] ?? propertyOf(jsonOf(textOf(root, "package.json")), "name");
  return typeof name === "string" ? name : undefined;
}

function fetchIntervalsOf(root: string, file: string): string[] {
  const config = jsonOf(textOf(root, file));
  if (typeof config !== "object" || config === null) return [];
  const inner = Object.keys(config).map((key) => [key, propertyOf(config, key)] as const);
  const places = [
    ["", config] as const,
    ...inner.map(([key, value]) => [`/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`, value] as const),
  ];
  return places.flatMap(([pointer, value]) => {
    const seconds = propertyOf(value, FETCH_INTERVAL);
    return typeof seconds === "number" && seconds > 0 ? [`${file}#${pointer}/${FETCH_INTERVAL}`] : [];
  });
}

function propertyOf(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

/** A survey only looks for hints: a file that cannot be read gives none. */
function textOf(root: string, file: string): string | undefined {
  try {
    return readTextFile(join(root, file));
  } catch {
    return undefined;
  }
}

function jsonOf(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
