import { basename, dirname } from "node:path";
import { isInterpreter } from "../system/strays.ts";

/*
 * Expressions for `matches`. They begin at the program and end with a whole word: `-`, `_` and `.` belong to a name, so
 * that `api` is neither `migrate_api_db.py` nor `import-api-list`.
 */

const START = String.raw`^(\S*/)?`;
const END = "( |$)";
const OPTIONS = String.raw`(-\S+ )*`;

const SHELL = /^-?(?:ba|da|z|k)?sh$/;
/** What says nothing about the program that it starts. */
const LAUNCHER = /^(?:sudo|env|nohup|nice|timeout|setsid|stdbuf|tini|dumb-init|gosu|flock|docker)$/;
const INLINE_CODE = /^(?:-[a-z]*[ce]|-p|--eval|--print)$/i;
const NAMES_PROGRAM = ["-m", "-jar"];
const TAKES_VALUE = /^(?:-[WXr]|-cp|-classpath|--class-path|--require|--import|--loader)$/;
/** Names that half the programs of an application bear: the directory tells them apart. */
const GENERAL = /^(?:index|main|__main__)(?:\.|$)/;
/** A subcommand, an entry point or a file: nothing that could be a password, which the config must not hold. */
const PLAIN = /^(?:[a-z_][a-z_.:/-]{0,39}|[\w./-]{1,60}\.(?:py|[cm]?[jt]s|rb|jar|php|sh))$/i;
const PLAIN_WORDS = 2;

/**
 * What a command line like this one matches, and as little else as can be told from it; `undefined` when it does not
 * say what it runs.
 */
export function expressionFor(commandLine: string): string | undefined {
  const [command = "", ...words] = commandLine.split(" ");
  const program = basename(command);
  if (program === "" || LAUNCHER.test(program)) return undefined;
  const isRunner = isInterpreter(command) || SHELL.test(program);
  const rest = isRunner ? scriptIn(words) : argumentsIn(words);
  if (rest === undefined) return undefined;
  const name = isInterpreter(command)
    ? String.raw`${program.replace(/[\d.]+$/, "")}[\d.]*`
    : literal(program);
  const expression = `${START}${name}${rest}${END}`;
  return new RegExp(expression).test(commandLine) ? expression : undefined;
}

/** A program or a script of this name, whatever its ending, when nothing more is known. */
export function expressionOfName(name: string): string {
  const runner = String.raw`(\S*(python|node|ruby|perl|php|java)[\d.]* ${OPTIONS})?`;
  return String.raw`^${runner}(\S*/)?${literal(name)}(\.\w+)?${END}`;
}

function scriptIn(words: readonly string[]): string | undefined {
  const withValue = new Set<string>();
  let at = 0;
  let flag = "";
  for (let word = words[at]; word?.startsWith("-") && flag === ""; word = words[at]) {
    if (INLINE_CODE.test(word)) return undefined;
    if (NAMES_PROGRAM.includes(word)) flag = `${word} `;
    if (TAKES_VALUE.test(word)) {
      withValue.add(word);
      at++;
    }
    at++;
  }
  const script = words[at];
  if (script === undefined || script === "") return undefined;
  const rest = argumentsIn(words.slice(at + 1));
  const options =
    withValue.size === 0 ? OPTIONS : String.raw`((${[...withValue].join("|")}) [^-\s]\S* |-\S+ )*`;
  if (script === "run") return rest === "" ? undefined : ` ${options}run${rest}`; // bun run, deno run
  return String.raw` ${options}${flag}(\S*/)?${literal(nameOf(script))}${rest}`;
}

function nameOf(path: string): string {
  const name = basename(path);
  const directory = basename(dirname(path));
  return GENERAL.test(name) && /\w/.test(directory) ? `${directory}/${name}` : name;
}

function argumentsIn(words: readonly string[]): string {
  const end = words.slice(0, PLAIN_WORDS).findIndex((word) => !PLAIN.test(word));
  const plain = words.slice(0, end === -1 ? PLAIN_WORDS : end);
  return plain.map((word) => ` ${literal(word)}`).join("");
}

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
