import { isAbsolute, join, relative } from "node:path";
import { hintOf, messageOf, type Problem, SafeShutdownError } from "../errors.ts";
import { packageRoot } from "../system/package.ts";
import { readTextFile, readTrustedFile, realPathOf } from "../system/text-file.ts";

const NAMES = ["safe-shutdown.yaml", "safe-shutdown.yml", "safe-shutdown.json"];
/** Every place a config may be in, relative to the root. */
const PLACES = [...NAMES, ...NAMES.map((name) => `config/${name}`)];

/** A config file that was found, not yet parsed. */
export interface ConfigText {
  /** How messages name it. */
  readonly name: string;
  /** Relative to the root where it lies inside, else absolute; `undefined`: the built-in policy. */
  readonly file: string | undefined;
  readonly text: string;
}

/**
 * The config of the application in `root`: the file named, else the one found there or in its `config/`, else
 * the built-in policy. Throws `config-invalid` when the named file is missing or two are found.
 */
export function findConfig(root: string, configFile: string | undefined): ConfigText {
  if (configFile !== undefined) {
    const named = readConfig(root, configFile);
    if (named !== undefined) return named;
    throw invalid({
      path: configFile,
      message: "expected a config file, found nothing",
      hint: "check --config",
    });
  }
  const [first, second] = PLACES.flatMap((place) => readConfig(root, join(root, place)) ?? []);
  if (first !== undefined && second !== undefined) {
    const hint = "remove one of them, or name the one that counts with --config";
    throw invalid({ path: first.name, message: `expected one config file, found also ${second.name}`, hint });
  }
  return first ?? builtInPolicy();
}

/** A root relative path where it lies inside the root, else the absolute path; links are resolved first. */
function nameInRoot(root: string, path: string): string {
  const inside = relative(root, realPathOf(path));
  return inside === "" || inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}

function readConfig(root: string, path: string): ConfigText | undefined {
  try {
    const text = readTrustedFile(path);
    if (text === undefined) return undefined;
    const file = nameInRoot(root, path);
    return { name: file, file, text };
  } catch (error) {
    const hint = hintOf(error);
    throw invalid({ path, message: messageOf(error), ...(hint !== undefined && { hint }) });
  }
}

function builtInPolicy(): ConfigText {
  const path = join(packageRoot(), "config", "built-in.yaml");
  const text = readTextFile(path);
  if (text === undefined) throw new SafeShutdownError("unexpected", `the built-in policy ${path} is missing`);
  return { name: "built-in policy", file: undefined, text };
}

function invalid(problem: Problem): SafeShutdownError {
  return new SafeShutdownError("config-invalid", `${problem.path}: ${problem.message}`, {
    problems: [problem],
  });
}
