import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { systemCodeOf } from "../errors.ts";

/*
 * What /proc says of a process; see proc(5). A process may vanish between any two reads, so every reader
 * answers `undefined` instead of failing.
 */

/** A process as it was observed. pid and start time together identify it: pid numbers are reused. */
export interface Process {
  readonly pid: number;
  readonly parentPid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks between boot and its start. */
  readonly startTicks: number;
  readonly startedAtMs: number;
  /** Arguments joined by spaces; empty for kernel threads. */
  readonly commandLine: string;
}

/** USER_HZ: 100 on every Linux architecture that Node runs on. */
const TICK_MS = 10;
/** PROC_PID_INIT_INO of the kernel's proc_ns.h: the pid namespace that every other one lies in. */
const INITIAL_PID_NAMESPACE = "pid:[4026531836]";
/** PF_KTHREAD of the kernel's sched.h. */
const KERNEL_THREAD = 0x0020_0000;

interface Stat {
  readonly parentPid: number;
  readonly startTicks: number;
  readonly isKernelThread: boolean;
  /** A zombie has ended, unless other threads than its first one go on: those are alive, and may hold locks. */
  readonly isAlive: boolean;
  readonly hasLostLeader: boolean;
}

/** The process with this pid, or `undefined` when none runs. */
export function readProcess(pid: number, bootMs = bootedAtMs()): Process | undefined {
  const stat = readStat(pid);
  if (stat?.isAlive !== true) return undefined;
  const commandLine = readProcFile(`${stat.hasLostLeader ? otherThreadOf(pid) : `/proc/${pid}`}/cmdline`);
  if (commandLine === undefined) return undefined;
  return {
    pid,
    parentPid: stat.parentPid,
    startTicks: stat.startTicks,
    startedAtMs: bootMs + stat.startTicks * TICK_MS,
    commandLine: commandLine.replace(/\0+$/, "").replaceAll("\0", " "),
  };
}

/**
 * The process that a number really means: /proc answers for the number of any thread, and a signal to a thread's number
 * reaches its whole process. `undefined` when nothing has this number.
 */
export function processOfThread(id: number): number | undefined {
  const text = readProcFile(`/proc/${id}/status`);
  return text === undefined ? undefined : Number(/^Tgid:\s*(\d+)$/m.exec(text)?.[1]);
}

/** Whether exactly this process still runs; not another one that got its number. */
export function isStillRunning(process: Process): boolean {
  const stat = readStat(process.pid);
  return stat?.isAlive === true && stat.startTicks === process.startTicks;
}

/** Every process that can be seen. */
export function listProcesses(): Process[] {
  const bootMs = bootedAtMs();
  return listPids()
    .map((pid) => readProcess(pid, bootMs))
    .filter((process) => process !== undefined);
}

/** Who started whom, of all processes that can be seen: much cheaper than reading all of each. */
export function listParents(): Pick<Process, "pid" | "parentPid" | "startTicks">[] {
  return listPids().flatMap((pid) => {
    const stat = readStat(pid);
    return stat?.isAlive === true ? [{ pid, parentPid: stat.parentPid, startTicks: stat.startTicks }] : [];
  });
}

/** The descriptors of a process whose first thread has ended: only its other threads still show them. */
export function linksOfThreads(pid: number): string[] {
  if (readStat(pid)?.hasLostLeader !== true) return [];
  const threads = ifThere(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  return threads.flatMap((thread) => {
    const directory = `/proc/${pid}/task/${thread}/fd`;
    return (ifThere(() => readdirSync(directory)) ?? []).map((one) => `${directory}/${one}`);
  });
}

/** Whether every process of this host can be seen: not from inside a container with its own numbers. */
export function seesAllProcesses(): boolean {
  return ifThere(() => readlinkSync("/proc/self/ns/pid")) === INITIAL_PID_NAMESPACE;
}

/** The pids that can be seen, kernel threads included. */
export function listPids(): number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

export function isKernelThread(pid: number): boolean {
  return readStat(pid)?.isKernelThread ?? false;
}

/** The working directory, or `undefined` where it cannot be seen. */
export function workingDirectoryOf(pid: number): string | undefined {
  const seen = ifThere(() => readlinkSync(`/proc/${pid}/cwd`));
  if (seen !== undefined || readStat(pid)?.hasLostLeader !== true) return seen;
  return ifThere(() => readlinkSync(`${otherThreadOf(pid)}/cwd`));
}

/** Where a thread that lives tells what the first one, which has ended, does not tell any more. */
function otherThreadOf(pid: number): string {
  const threads = ifThere(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  return `/proc/${pid}/task/${threads.find((id) => Number(id) !== pid) ?? pid}`;
}

/** When this machine started, by the clock as it is set now. The kernel gives whole seconds. */
function bootedAtMs(): number {
  return Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]) * 1_000;
}

/** Field 2, the command name, may hold spaces and parentheses: the other fields follow the last `)`. */
function readStat(pid: number): Stat | undefined {
  const text = readProcFile(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, parentPid] = fields;
  const startTicks = Number(fields[19]);
  if (state === undefined || !Number.isInteger(startTicks)) return undefined;
  const isKernelThread = (Number(fields[6]) & KERNEL_THREAD) !== 0;
  const hasLostLeader = state === "Z" && Number(fields[17]) > 1;
  const isAlive = hasLostLeader || (state !== "Z" && state !== "X");
  return { parentPid: Number(parentPid), startTicks, isKernelThread, isAlive, hasLostLeader };
}

function readProcFile(path: string): string | undefined {
  return ifThere(() => readFileSync(path, "utf8"));
}

/** Gone, not for us to see, or on a file system that does not answer (a dead FUSE or NFS mount). */
const UNSEEN = [
  ...["ENOENT", "ESRCH", "EACCES", "EPERM", "ENOTDIR", "EINVAL", "ENAMETOOLONG"],
  ...["ENOTCONN", "ESTALE", "EIO", "ETIMEDOUT", "EHOSTDOWN"],
];

/** ESRCH is what /proc answers when a process vanishes during the read, ENAMETOOLONG for a link beyond PATH_MAX. */
export function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (UNSEEN.includes(systemCodeOf(error) ?? "")) {
      return undefined;
    }
    throw error;
  }
}
