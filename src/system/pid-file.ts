import type { FileEntry } from "./files.ts";
import { bootedAtMs, isUnseen, type Process, readProcess, readStatus, workingDirectoryOf } from "./proc.ts";
import type { Users } from "./users.ts";

/**
 * What a pid file is worth. `running`: proved to name a running process of the service. `gone`: the process
 * it named is proved to have ended. `unsure`: it names something else, or cannot be read; left alone.
 */
export type PidFileFinding =
  | { readonly file: FileEntry; readonly state: "running"; readonly process: Process }
  | { readonly file: FileEntry; readonly state: "gone"; readonly reason: string }
  | {
      readonly file: Pick<FileEntry, "path">;
      readonly state: "unsure";
      readonly reason: string;
      /** The service may be running behind it: it must not be called stopped. */
      readonly mayRun: boolean;
    };

/** What a pid file is judged by. */
export interface PidFileRules {
  readonly root: string;
  /** The expressions of the service, or of every service when the file may be of any. */
  readonly matches: readonly RegExp[];
  /** Whom the process must belong to, as the service says. */
  readonly user: string | number | undefined;
  readonly users: Users;
  readonly isOfAnyService: boolean;
  /** Processes that have this number in a pid namespace of their own. */
  readonly insideContainers: (pid: number) => readonly Process[];
}

/** A pid file is written after its process started; the clock of processes has whole seconds. */
const SLACK_MS = 2_000;

/** A service writes its pid file while it starts. */
const WRITTEN_AT_START_MS = 10 * 60_000;

/** Larger than any pid file; what is longer is not one, however it begins. */
const MAX_BYTES = 64;
/** How much of a pid file to read: enough to tell that it is too long. */
export const PID_FILE_READ_BYTES = MAX_BYTES + 1;

/** The pid in a pid file: one decimal number of at most 7 digits (the kernel's PID_MAX_LIMIT is 4,194,304). */
export function parsePidFile(content: Buffer): number | undefined {
  if (content.length > MAX_BYTES) return undefined;
  const digits = /^\s*(\d{1,7})\s*$/.exec(content.toString("latin1"))?.[1];
  const pid = Number(digits);
  return digits !== undefined && pid > 0 && pid <= 4_194_304 ? pid : undefined;
}

/**
 * Whether a pid file names a running process of its service: the process must exist, must not have started after
 * the file was written, and its command line must match; and the file must be of somebody who could stop it anyway.
 * Of any service, a process that matches none counts as its own, too.
 *
 * A process that matches and seems to have started late is `unsure`: start times follow the clock, and a clock that
 * was set forward makes a live worker look like another process.
 */
export function identify(
  file: FileEntry,
  content: Buffer | undefined,
  { root, matches, user, users, isOfAnyService, insideContainers }: PidFileRules,
): PidFileFinding {
  const unsure = (reason: string, mayRun = false) => ({ file, state: "unsure", reason, mayRun }) as const;
  if (content === undefined)
    return unsure("it cannot be read as a regular file", file.kind === "link" || file.kind === "file");
  const pid = parsePidFile(content);
  if (pid === undefined) return unsure("it does not hold a pid");

  const isMatching = (one: Process) => matches.some((expression) => expression.test(one.commandLine));
  const isLate = (one: Process) => one.startedAtMs > file.modifiedAtMs + SLACK_MS;
  const inside = insideContainers(pid).find((one) => isMatching(one) && !isLate(one));
  const notHere = (reason: string) =>
    unsure(`${reason}, but pid ${inside?.pid} has this number in a container: stop it there`, true);
  const gone = (reason: string) =>
    inside === undefined ? ({ file, state: "gone", reason } as const) : notHere(reason);

  if (pid === 1) return inside === undefined ? unsure("it names pid 1") : notHere("it names pid 1");

  const status = readStatus(pid);
  if (status !== undefined && status.processId !== pid)
    return unsure(`${pid} is no process, but a thread of pid ${status.processId}`);
  const process = readProcess(pid);
  if (process === undefined || status === undefined) {
    if (isUnseen(pid)) return unsure(`pid ${pid} is alive, and only root can look at it`, true);
    const isOlderThanBoot = file.modifiedAtMs + SLACK_MS < bootedAtMs();
    return gone(isOlderThanBoot ? `pid ${pid} ended before this machine started` : `pid ${pid} has ended`);
  }
  if (isLate(process)) {
    const late = `pid ${pid} is another process now, started after this file`;
    return isMatching(process) ? unsure(`${late}, but it looks like a service`, true) : gone(late);
  }
  if (!isMatching(process) && !isOfAnyService) {
    const other = `pid ${pid} is alive and its command line does not match`;
    return inside === undefined ? unsure(other, true) : notHere(other);
  }
  const foreign = users.whyNotOf(user, status.ownerIds);
  if (foreign !== undefined) return unsure(`pid ${pid} is not the service's: ${foreign}`, true);
  if (!mayName(file.ownerId, status.ownerIds)) {
    return unsure(
      `it belongs to user ${file.ownerId}, pid ${pid} to user ${status.ownerIds[0]}: not trusted`,
      true,
    );
  }
  if (!isOfAnyService && isCopied(file, process, root)) {
    return unsure(`pid ${pid} works elsewhere and is older than this file, which may be a copy`, true);
  }
  return { file, state: "running", process };
}

/** Who may say by a pid file whom to stop: root, ourselves, and whose the process is. Nobody else could stop it. */
function mayName(ownerId: number, processOwnerIds: readonly number[]): boolean {
  return [0, process.geteuid?.(), ...processOwnerIds].includes(ownerId);
}

/**
 * Whether a pid file seems to have come here by copying a directory: its process works outside the root, and the file
 * was not written when it started.
 */
function isCopied(file: FileEntry, process: Process, root: string): boolean {
  const directory = workingDirectoryOf(process.pid);
  const isElsewhere = directory !== undefined && directory !== root && !directory.startsWith(`${root}/`);
  return isElsewhere && file.modifiedAtMs - process.startedAtMs > WRITTEN_AT_START_MS;
}
