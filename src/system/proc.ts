import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { systemCodeOf } from "../errors.ts";
import { type ProcessStat, type ProcessStatus, parseStat, parseStatus } from "./process-stat.ts";

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
  /** Arguments joined by spaces, at most 8,192 bytes of them; empty for kernel threads. */
  readonly commandLine: string;
}

/** USER_HZ: 100 on every Linux architecture that Node runs on. */
const TICK_MS = 10;
/** Anybody may start a program with megabytes of arguments, on which an expression could work for hours. */
const COMMAND_LINE_BYTES = 8_192;

/** The process with this pid, or `undefined` when none runs or can be seen. */
export function readProcess(pid: number, bootMs = bootedAtMs()): Process | undefined {
  return readProcessIn(`/proc/${pid}`, pid, bootMs);
}

/** The same by its directory in /proc, which may be held open: then it is this process or none. */
export function readProcessIn(directory: string, pid: number, bootMs = bootedAtMs()): Process | undefined {
  const stat = readStatIn(directory);
  if (stat?.isAlive !== true) return undefined;
  const commandLine = readStart(
    `${stat.hasLostLeader ? otherThreadIn(directory, pid) : directory}/cmdline`,
    COMMAND_LINE_BYTES,
  );
  if (commandLine === undefined) return undefined;
  return {
    pid,
    parentPid: stat.parentPid,
    startTicks: stat.startTicks,
    startedAtMs: bootMs + stat.startTicks * TICK_MS,
    commandLine: commandLine.toString("utf8").replace(/\0+$/, "").replaceAll("\0", " "),
  };
}

export function readStatIn(directory: string): ProcessStat | undefined {
  const text = readProcFile(`${directory}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

/** `undefined` when nothing has this number. */
export function readStatus(pid: number): ProcessStatus | undefined {
  return readStatusIn(`/proc/${pid}`);
}

export function readStatusIn(directory: string): ProcessStatus | undefined {
  const text = readProcFile(`${directory}/status`);
  return text === undefined ? undefined : parseStatus(text);
}

/** Whether exactly this process still runs; not another one that got its number. */
export function isStillRunning(process: Process): boolean {
  const stat = readStatIn(`/proc/${process.pid}`);
  return stat?.isAlive === true && stat.startTicks === process.startTicks;
}

/**
 * Whether something has this pid that /proc does not show (mounted with `hidepid`), and that may therefore be alive.
 * A zombie that is shown counts for nothing.
 */
export function isUnseen(pid: number): boolean {
  return readStatIn(`/proc/${pid}`) === undefined && isTaken(pid);
}

function isTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCodeOf(error) === "EPERM";
  }
}

/** The descriptors of a process whose first thread has ended: only its other threads still show them. */
export function linksOfThreads(pid: number): string[] {
  if (readStatIn(`/proc/${pid}`)?.hasLostLeader !== true) return [];
  const threads = ifThere(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  return threads.flatMap((thread) => {
    const directory = `/proc/${pid}/task/${thread}/fd`;
    return (ifThere(() => readdirSync(directory)) ?? []).map((one) => `${directory}/${one}`);
  });
}

export function isKernelThread(pid: number): boolean {
  return readStatIn(`/proc/${pid}`)?.isKernelThread ?? false;
}

/** The working directory, or `undefined` where it cannot be seen. */
export function workingDirectoryOf(pid: number): string | undefined {
  const directory = `/proc/${pid}`;
  const seen = ifThere(() => readlinkSync(`${directory}/cwd`));
  if (seen !== undefined || readStatIn(directory)?.hasLostLeader !== true) return seen;
  return ifThere(() => readlinkSync(`${otherThreadIn(directory, pid)}/cwd`));
}

/** Where a thread that lives tells what the first one, which has ended, does not tell any more. */
function otherThreadIn(directory: string, pid: number): string {
  const threads = ifThere(() => readdirSync(`${directory}/task`)) ?? [];
  return `${directory}/task/${threads.find((id) => Number(id) !== pid) ?? pid}`;
}

/** When this machine started, by the clock as it is set now. The kernel gives whole seconds. */
export function bootedAtMs(): number {
  return Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]) * 1_000;
}

function readProcFile(path: string): string | undefined {
  return ifThere(() => readFileSync(path, "latin1"));
}

function readStart(path: string, maxBytes: number): Buffer | undefined {
  return ifThere(() => {
    const fd = openSync(path, "r");
    try {
      const buffer = Buffer.alloc(maxBytes);
      let length = 0;
      for (let count = -1; count !== 0 && length < maxBytes; length += count)
        count = readSync(fd, buffer, length, maxBytes - length, null);
      return buffer.subarray(0, length);
    } finally {
      closeSync(fd);
    }
  });
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
