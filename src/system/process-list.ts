import { readdirSync, readlinkSync } from "node:fs";
import { bootedAtMs, ifThere, type Process, readProcess, readStatIn, readStatus } from "./proc.ts";

/** The pids that can be seen, kernel threads included. */
export function listPids(): number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

/** Every process that can be seen. */
export function listProcesses(): Process[] {
  const bootMs = bootedAtMs();
  return listPids()
    .map((pid) => readProcess(pid, bootMs))
    .filter((process) => process !== undefined);
}

/** Processes in a pid namespace below ours, as of a container, by the number that they take for their own. */
export function listInContainers(): ReadonlyMap<number, readonly Process[]> {
  const bootMs = bootedAtMs();
  const found = new Map<number, Process[]>();
  for (const pid of listPids()) {
    const inside = readStatus(pid)?.pids.slice(1).at(-1);
    const process = inside === undefined ? undefined : readProcess(pid, bootMs);
    if (inside === undefined || process === undefined) continue;
    found.set(inside, [...(found.get(inside) ?? []), process]);
  }
  return found;
}

/** What is known of a process's kin: cheap to read of all. */
export interface Kin {
  readonly pid: number;
  readonly parentPid: number;
  readonly sessionId: number;
  readonly startTicks: number;
}

/** Who started whom, of all processes that can be seen: much cheaper than reading all of each. */
export function listKin(): Kin[] {
  return listPids().flatMap((pid) => {
    const stat = readStatIn(`/proc/${pid}`);
    if (stat?.isAlive !== true) return [];
    const { parentPid, sessionId, startTicks } = stat;
    return [{ pid, parentPid, sessionId, startTicks }];
  });
}

/** PROC_PID_INIT_INO of the kernel's proc_ns.h: the pid namespace that every other one lies in. */
const INITIAL_PID_NAMESPACE = "pid:[4026531836]";

/** Whether every process of this host can be seen: not from inside a container with its own numbers. */
export function seesAllProcesses(): boolean {
  return ifThere(() => readlinkSync("/proc/self/ns/pid")) === INITIAL_PID_NAMESPACE;
}

/**
 * Why there may be processes that are not even listed; `undefined` when there are none. `trustNamespace`: the config
 * says that none of them matters. A /proc mounted with `hidepid` lists only one's own, and so not pid 1.
 */
export function blindSpot(trustNamespace: boolean): string | undefined {
  if (readStatIn("/proc/1") === undefined)
    return "/proc does not show the processes of other users (hidepid); root could tell";
  if (trustNamespace || seesAllProcesses()) return undefined;
  return "only the processes of this container can be seen; run it in the host's pid namespace, or set pidNamespace: trusted";
}
