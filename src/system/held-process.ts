import { closeSync, constants, openSync } from "node:fs";
import { bootedAtMs, ifThere, type Process, readProcessIn, readStatIn, readStatusIn } from "./proc.ts";
import type { ProcessStat } from "./process-stat.ts";

/** Why a process cannot be held: it has ended, or something else has its number. */
export type NotHeld = "it has ended" | "a thread has its number" | "another process has its number";

type Observed = Pick<Process, "pid"> & Partial<Pick<Process, "startTicks" | "commandLine">>;

/**
 * A process that is held by its open directory in /proc. Numbers are reused, and start times count in hundredths of
 * a second; what is open means this process for ever: once it has ended, reading through it fails with ESRCH, whoever
 * got the number. The kernel also takes it for the address of a signal, see `sendThrough`.
 */
export class HeldProcess implements Process {
  readonly pid: number;
  readonly parentPid: number;
  readonly startTicks: number;
  readonly startedAtMs: number;
  readonly commandLine: string;
  readonly #bootMs: number;
  #fd: number;

  private constructor(fd: number, process: Process, bootMs: number) {
    this.#fd = fd;
    this.pid = process.pid;
    this.parentPid = process.parentPid;
    this.startTicks = process.startTicks;
    this.startedAtMs = process.startedAtMs;
    this.commandLine = process.commandLine;
    this.#bootMs = bootMs;
  }

  /**
   * Takes hold of exactly the process that was observed, or of the one that has this pid now. The command line that it
   * was observed with stays its own: what it is now tells `look`.
   */
  static of(process: Observed, bootMs = bootedAtMs()): HeldProcess | NotHeld {
    const { pid } = process;
    const fd = ifThere(() => openSync(`/proc/${pid}`, constants.O_RDONLY | constants.O_DIRECTORY));
    if (fd === undefined) return "it has ended";
    const now = readProcessIn(directoryOf(fd), pid, bootMs);
    const status = readStatusIn(directoryOf(fd));
    const obstacle = obstacleTo(process, now, status?.processId);
    if (now !== undefined && obstacle === undefined)
      return new HeldProcess(fd, { ...now, ...process }, bootMs);
    closeSync(fd);
    return obstacle ?? "it has ended";
  }

  /** Its open directory in /proc; -1, which is nobody's, once it was released. */
  get fd(): number {
    return this.#fd;
  }

  /** What it is now; `undefined` once it has ended, also while nobody has reaped it yet. */
  look(): Process | undefined {
    return readProcessIn(directoryOf(this.#fd), this.pid, this.#bootMs);
  }

  /** Its real and its effective user, as of now. */
  ownerIds(): readonly number[] | undefined {
    return readStatusIn(directoryOf(this.#fd))?.ownerIds;
  }

  isRunning(): boolean {
    return this.stat()?.isAlive === true;
  }

  /** What the kernel says of it, a zombie included; `undefined` once its number is free. */
  stat(): ProcessStat | undefined {
    return readStatIn(directoryOf(this.#fd));
  }

  /** From now on it counts as ended. */
  release(): void {
    if (this.#fd !== -1) closeSync(this.#fd);
    this.#fd = -1;
  }
}

function obstacleTo(
  { pid, startTicks }: Observed,
  now: Process | undefined,
  processId: number | undefined,
): NotHeld | undefined {
  if (now === undefined || processId === undefined) return "it has ended";
  if (processId !== pid) return "a thread has its number";
  return startTicks === undefined || now.startTicks === startTicks
    ? undefined
    : "another process has its number";
}

function directoryOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}
