import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createFile } from "../../demo/sandbox/files.ts";
import { createSandbox, type Sandbox, type SandboxOptions } from "../../demo/sandbox.ts";
import type { JobReport, Outcome, RunReport } from "../../src/report/report.ts";
import { type CliOptions, type CliResult, type RunningCli, runCli, startCli } from "./cli.ts";
import { type LongLived, spawnIdle } from "./processes.ts";
import { temporaryDirectory } from "./temp.ts";

/** The sandbox copy of the scraper, gone when the test has finished. Its tasks end after 100 ms unless told. */
export async function useSandbox(options: Partial<SandboxOptions> = {}): Promise<Sandbox> {
  const directory = join(temporaryDirectory(), "scraper");
  const sandbox = await createSandbox({ directory, taskMs: 100, ...options });
  onTestFinished(() => sandbox.dispose());
  return sandbox;
}

interface ApplicationFile {
  readonly ageMs?: number;
  readonly content?: string;
}

/** The root of an application that has just these files; `config` becomes its `safe-shutdown.yaml`. */
export async function useApplication(
  files: Readonly<Record<string, ApplicationFile>> = {},
  config?: string,
): Promise<string> {
  const root = join(temporaryDirectory(), "app");
  mkdirSync(join(root, "pids"), { recursive: true });
  for (const [path, { ageMs = 0, content }] of Object.entries(files))
    await createFile(root, { path, ageMs, ...(content !== undefined && { content }) });
  if (config !== undefined) writeFileSync(join(root, "safe-shutdown.yaml"), config);
  return root;
}

/** A process that works in the root with these words in its command line and its pid in a pid file. */
export async function useService(
  root: string,
  pidFile: string,
  words: readonly string[],
  program?: string,
): Promise<LongLived> {
  const service = await spawnIdle({ cwd: root, words, ...(program !== undefined && { program }) });
  writeFileSync(join(root, pidFile), `${service.pid}\n`);
  return service;
}

/** For `useService`: SIGTERM does not end it. */
export const IGNORES_SIGTERM = 'process.on("SIGTERM", () => {})';

/** The built program in an application's root, words separated by blanks. */
export interface CliInRoot {
  run(words: string, options?: CliOptions): Promise<CliResult>;
  start(words: string, options?: CliOptions): RunningCli;
}

export function cliIn(root: string, redisUrl?: string): CliInRoot {
  const withDefaults = (options: CliOptions = {}): CliOptions => ({
    cwd: root,
    ...options,
    env: {
      TERM: "xterm-256color",
      NO_COLOR: undefined,
      ...(redisUrl !== undefined && { SAFE_SHUTDOWN_REDIS_URL: redisUrl }),
      ...options.env,
    },
  });
  const split = (words: string) => words.split(" ").filter((word) => word !== "");
  return {
    run: (words, options) => runCli(split(words), withDefaults(options)),
    start: (words, options) => startCli(split(words), withDefaults(options)),
  };
}

/** What a run printed with `--json`. */
export function reportOf(result: CliResult): RunReport {
  return result.json() as RunReport;
}

export function jobOf(report: RunReport, name: string): JobReport {
  const job = report.jobs.find((one) => one.job === name);
  if (job === undefined) throw new Error(`expected ${name} in ${JSON.stringify(report)}`);
  return job;
}

/** The targets of all jobs that ended so, sorted. */
export function targetsOf(report: RunReport, outcome: Outcome): string[] {
  const items = report.jobs.flatMap((job) => job.items);
  return items
    .filter((item) => item.outcome === outcome)
    .map((item) => item.target)
    .sort();
}

/** Why a target of any job ended as it did. */
export function reasonOf(report: RunReport, target: string): string | undefined {
  const items = report.jobs.flatMap((job) => job.items);
  return items.find((item) => item.target === target)?.reason;
}
