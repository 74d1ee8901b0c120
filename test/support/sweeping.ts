import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseLines } from "../../src/system/manifest-line.ts";
import { listProcesses } from "../../src/system/process-list.ts";
import { RUN } from "./hands.ts";

/** Sweepers are called at once: they walk all that is not a large directory. */
export const CALLED = { calledAfter: 0 };

/** What the manifest in a root holds, as text. */
export function manifestIn(root: string): string {
  return readFileSync(join(root, `.safe-shutdown/${RUN}.jsonl`), "utf8");
}

/** The paths that it names, in order. */
export function writtenDown(root: string): string[] {
  return parseLines(manifestIn(root))
    .lines.map(({ path }) => path)
    .sort();
}

/** The sweepers that a process has called, by default this one. */
export function sweepers(callerPid: number | undefined = process.pid): number[] {
  const all = listProcesses().filter(({ commandLine }) => commandLine.includes("sweeper-program"));
  return all.filter(({ parentPid }) => parentPid === callerPid).map(({ pid }) => pid);
}

/** What is left, without what is ours. */
export function leftIn(root: string): string[] {
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" });
  return paths.filter((path) => !path.startsWith(".safe-shutdown")).sort();
}
