import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { waitUntil } from "../../demo/processes.ts";
import { commandLineOf, processesWith } from "./process-table.ts";
import { MARK, runDirectory } from "./run.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

/** Builds the program once, and gives the run its mark and its directory for temporary files. */
export async function setup(): Promise<void> {
  process.env[MARK] = randomBytes(6).toString("hex");
  await mkdir(runDirectory(), { recursive: true });
  await build();
}

/** Ends what the tests left running and removes what they left lying about, and fails the run if there was any. */
export async function teardown(): Promise<void> {
  const id = process.env[MARK];
  if (id === undefined) return;
  const left = () => processesWith(MARK, id).filter((pid) => pid !== process.pid && !isOfVitest(pid));
  // a grandchild that was killed with its group is nobody's to await: the kernel may still be at it
  await waitUntil(() => left().length === 0, "the last processes to end", 1_000).catch(() => undefined);
  const processes = left();
  const leaked = processes.map((pid) => `process ${pid}: ${commandLineOf(pid)}`);
  for (const pid of processes) process.kill(pid, "SIGKILL");
  for (const name of await readdir(runDirectory(id)))
    leaked.push(`directory ${join(runDirectory(id), name)}`);
  await rm(runDirectory(id), { recursive: true, force: true });
  if (leaked.length === 0) return;
  process.exitCode = 1; // an error thrown here is printed by vitest 4, but does not fail the run
  throw new Error(`the tests left this behind:\n  ${leaked.join("\n  ")}`);
}

/** Vitest's own workers inherit the mark, and may still be on their way out. */
function isOfVitest(pid: number): boolean {
  return (
    /node_modules\/(vitest|vite|esbuild|@esbuild)\//.test(commandLineOf(pid)) ||
    /^node \(vitest/.test(commandLineOf(pid))
  );
}

async function build(): Promise<void> {
  const compiler = join(PROJECT, "node_modules/typescript/bin/tsc");
  try {
    await promisify(execFile)(process.execPath, [compiler, "-p", "tsconfig.build.json"], { cwd: PROJECT });
  } catch (error) {
    const said = error instanceof Error && "stdout" in error ? error.stdout : error;
    throw new Error(`the program does not build:\n${said}`);
  }
  if (!existsSync(join(PROJECT, "dist/src/cli/main.js")))
    throw new Error("expected the build to make dist/src/cli/main.js");
}
