import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { onFinished } from "./finish.ts";
import { ended } from "./processes.ts";
import { Transcript } from "./transcript.ts";

/** The built program; `global-setup.ts` builds it. */
export const CLI = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

/** Nobody listens there: a test that names no Redis must not find one that belongs to somebody else. */
const NO_REDIS = "redis://127.0.0.1:1/0";

export interface CliOptions {
  /** Beside the environment of the test; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: that of the test, which is this project's root. */
  readonly cwd?: string;
  /** Written to its standard input, which is then closed. `startCli` leaves it open without one. */
  readonly input?: string;
  /** On a pseudo terminal of 100 columns (see `terminalAvailable`): all output is in `stdout`. */
  readonly tty?: boolean;
  /** Then it is killed and the promise rejects, with what it said so far. Default: 20 s. */
  readonly timeoutMs?: number;
}

export interface CliResult {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
  /** What `--json` printed; throws when stdout is not exactly one JSON document. */
  json(): unknown;
}

export interface RunningCli {
  readonly child: ChildProcess;
  /** On a terminal this is `script`, not the program: send it `"\x03"` with `type` instead of a signal. */
  readonly pid: number;
  readonly stdout: Transcript;
  readonly stderr: Transcript;
  type(text: string): void;
  signal(name: NodeJS.Signals): void;
  readonly result: Promise<CliResult>;
}

/** Runs the built program to its end. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, { ...options, input: options.input ?? "" }).result;
}

/** Starts the built program and gives it back running; it is killed when the test has finished. */
export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  const startedAt = performance.now();
  const [command, ...words] = commandFor([process.execPath, CLI, ...args], options.tty ?? false);
  const env = { ...process.env, SAFE_SHUTDOWN_REDIS_URL: NO_REDIS, ...options.env };
  const child = spawn(command, words, { cwd: options.cwd, env, stdio: ["pipe", "pipe", "pipe"] });
  const stdout = new Transcript("stdout", child.stdout);
  const stderr = new Transcript("stderr", child.stderr);
  const timeoutMs = options.timeoutMs ?? 20_000;
  const said = () => `\n--- stdout\n${stdout.text}\n--- stderr\n${stderr.text}`;

  const result = new Promise<CliResult>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`\`${args.join(" ")}\` was still running after ${timeoutMs} ms${said()}`));
    }, timeoutMs);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      const durationMs = performance.now() - startedAt;
      const json = () => parse(stdout.text, said);
      resolve({ code, signal, stdout: stdout.text, stderr: stderr.text, durationMs, json });
    });
  });
  result.catch(() => {}); // whoever awaits it hears of it; a test that does not is not failed twice
  child.stdin.on("error", () => {}); // a program that ends early does not read what we write
  if (options.input !== undefined) {
    if (options.tty) child.stdin.write(options.input);
    else child.stdin.end(options.input);
  }
  onFinished(async () => {
    child.kill("SIGKILL");
    await ended(child);
  });
  if (child.pid === undefined) throw new Error(`expected ${command} to start`);
  return {
    child,
    pid: child.pid,
    stdout,
    stderr,
    type: (text) => child.stdin.write(text),
    signal: (name) => child.kill(name),
    result,
  };
}

/** Whether there is a `script` (util-linux) to make a pseudo terminal with. */
export function terminalAvailable(): boolean {
  return process.platform === "linux" && existsSync("/usr/bin/script");
}

/** `script` hands its own signals on to nobody; with `-e` it ends with the exit code of the program. */
function commandFor(words: readonly string[], tty: boolean): [string, ...string[]] {
  const [command = "", ...rest] = words;
  if (!tty) return [command, ...rest];
  if (!terminalAvailable())
    throw new Error("no pseudo terminal here: skip this test with `terminalAvailable()`");
  const line = `stty cols 100 rows 40; exec ${words.map(quote).join(" ")}`;
  return ["/usr/bin/script", "-qfec", line, "/dev/null"];
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function parse(text: string, said: () => string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`expected one JSON document on stdout${said()}`, { cause });
  }
}
