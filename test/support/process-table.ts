import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isAlive, waitUntil } from "../../demo/processes.ts";

/*
 * Looking through /proc (Linux). Elsewhere every list is empty: there the tests that need one are skipped.
 */

/** Every process whose working directory is the root or below it (Linux), zombies left out. */
export function processesIn(root: string): number[] {
  return allPids().filter((pid) => {
    const cwd = read(() => readlinkSync(`/proc/${pid}/cwd`));
    return cwd !== undefined && (cwd === root || cwd.startsWith(`${root}/`)) && isAlive(pid);
  });
}

/** Kills every process that works inside the root, and waits until they are gone. */
export async function killProcessesIn(root: string): Promise<void> {
  await waitUntil(() => {
    const pids = processesIn(root);
    for (const pid of pids) read(() => process.kill(pid, "SIGKILL"));
    return pids.length === 0;
  }, `the processes in ${root} to end`);
}

/** The command line, words joined by spaces; empty when the process is gone. */
export function commandLineOf(pid: number): string {
  return (read(() => readFileSync(`/proc/${pid}/cmdline`, "utf8")) ?? "").replaceAll("\0", " ").trim();
}

/** Every process with this text in its command line, zombies left out (Linux). */
export function processesNaming(text: string): number[] {
  return allPids().filter((pid) => commandLineOf(pid).includes(text) && isAlive(pid));
}

/** Every process that was started with `NAME=value` in its environment (Linux). */
export function processesWith(name: string, value: string): number[] {
  return allPids().filter((pid) => {
    const environment = read(() => readFileSync(`/proc/${pid}/environ`, "utf8")) ?? "";
    return environment.split("\0").includes(`${name}=${value}`) && isAlive(pid);
  });
}

function allPids(): number[] {
  const names = read(() => readdirSync("/proc")) ?? [];
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

/** `undefined` for a process that ended while we looked, or that is not ours to look into. */
function read<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
