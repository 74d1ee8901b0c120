import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { killGroup } from "../../demo/processes.ts";
import { onFinished } from "./finish.ts";
import { temporaryDirectory } from "./temp.ts";

export { ended, isAlive, waitUntil } from "../../demo/processes.ts";
export { commandLineOf, processesIn } from "./process-table.ts";

export interface ProcessOptions {
  readonly command: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  /** Beside the environment of the test. */
  readonly env?: Readonly<Record<string, string>>;
  /** Resolve only when a line of its output matches. */
  readonly readyLine?: RegExp;
}

export interface LongLived {
  readonly child: ChildProcess;
  readonly pid: number;
}

/**
 * A real process, leader of its own process group; when the test has finished it is killed with its group.
 */
export async function spawnProcess(options: ProcessOptions): Promise<LongLived> {
  const child = spawn(options.command, [...(options.args ?? [])], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    detached: true,
    stdio: ["ignore", options.readyLine ? "pipe" : "ignore", "ignore"],
  });
  onFinished(() => killGroup(child));
  await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  if (options.readyLine) await lineOf(child, options.readyLine);
  if (child.pid === undefined) throw new Error(`expected ${options.command} to have a pid`);
  return { child, pid: child.pid };
}

/** A Node process that does nothing for 10 minutes, or `program`; the words come after it in its command line. */
export function spawnIdle(
  options: { words?: readonly string[]; cwd?: string; program?: string } = {},
): Promise<LongLived> {
  const program = `${options.program ?? ""}; setTimeout(() => {}, 600_000); console.log("ready");`;
  const file = join(temporaryDirectory(), "idle.cjs"); // as a service is started: `node script words…`
  writeFileSync(file, program);
  return spawnProcess({
    command: process.execPath,
    args: [file, ...(options.words ?? [])],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    readyLine: /^ready$/,
  });
}

async function lineOf(child: ChildProcess, expected: RegExp): Promise<void> {
  const { stdout } = child;
  if (!stdout) throw new Error("expected the output on a pipe");
  const lines = createInterface({ input: stdout });
  await new Promise<void>((resolve, reject) => {
    lines.on("line", (line) => {
      if (expected.test(line)) resolve();
    });
    lines.once("close", () => reject(new Error(`the process ended without saying ${expected}`)));
  });
}
