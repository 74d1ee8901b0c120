import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
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
/** PF_KTHREAD of the kernel's sched.h. */
const KERNEL_THREAD = 0x0020_0000;

interface Stat {
  readonly parentPid: number;
  readonly state: string;
  readonly startTicks: number;
  readonly isKernelThread: boolean;
}

/** The process with this pid, or `undefined` when none runs. A zombie has ended: it does not run. */
export function readProcess(pid: number, bootMs = bootedAtMs()): Process | undefined {
  const stat = readStat(pid);
  if (stat === undefined || stat.state === "Z" || stat.state === "X") return undefined;
  const commandLine = readProcFile(`/proc/${pid}/cmdline`);
  if (commandLine === undefined) return undefined;
  return {
    pid,
    parentPid: stat.parentPid,
    startTicks: stat.startTicks,
    startedAtMs: bootMs + stat.startTicks * TICK_MS,
    commandLine: commandLine.replace(/\0+$/, "").replaceAll("\0", " "),
  };
}

/** Whether exactly this process still runs; not another one that got its number. */
export function isStillRunning(process: Process): boolean {
  const stat = readStat(process.pid);
  return (
    stat !== undefined && stat.state !== "Z" && stat.state !== "X" && stat.startTicks === process.startTicks
  );
}

/** Every process that can be seen, kernel threads left out. */
export function listProcesses(): Process[] {
  const bootMs = bootedAtMs();
  return listPids()
    .map((pid) => readProcess(pid, bootMs))
    .filter((process) => process !== undefined);
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
  return ifThere(() => readlinkSync(`/proc/${pid}/cwd`));
}

/** The user a process runs as. */
export function ownerOf(pid: number): number | undefined {
  return ifThere(() => lstatSync(`/proc/${pid}`).uid);
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
  return { state, parentPid: Number(parentPid), startTicks, isKernelThread };
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
