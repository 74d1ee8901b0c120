import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { posix } from "node:path";
import type { Mode } from "../report/report.ts";
import type { FileEntry, Files } from "./files.ts";
import { parseLocks } from "./kernel-locks.ts";
import { isSqlite, LOCK_MAX_BYTES, type LockOwner, numbersIn, parseLockOwners } from "./lock-owner.ts";
import { deviceNameOf, isLocal, type Mount, mountAtDirectory } from "./mounts.ts";
import { type OpenFiles, readOpenFiles } from "./open-files.ts";
import { isUnseen, readProcess } from "./proc.ts";
import { blindSpot } from "./process-list.ts";

/** Who holds a lock. `unknown` must be treated as held. */
export type Holder =
  | { readonly state: "free" }
  | { readonly state: "live"; readonly pid: number; readonly how: string }
  | { readonly state: "unknown"; readonly why: string };

export interface LocksOptions {
  /** A real path. */
  readonly root: string;
  readonly mode: Mode;
  /** The config says that no process outside this pid namespace can hold a lock. */
  readonly trustNamespace: boolean;
  /** Processes that an earlier stage of the same plan would have stopped already. */
  readonly presumed: { readonly pids: ReadonlySet<number> };
}

/** A process that started later than a lock was written is not its writer; clocks are set now and then. */
const SLACK_MS = 60_000;

const unknown = (why: string): Holder => ({ state: "unknown", why });

/**
 * The hands that tell whether a lock is held. A lock is live if a process holds a kernel lock on it, has it
 * open, or is named inside. flock and fcntl locks do not see each other, so nothing is probed by locking:
 * descriptors are read instead, see proc(5).
 */
export class Locks {
  readonly #files: Files;
  readonly #options: LocksOptions;
  readonly #presumedGone: ReadonlySet<number>;
  readonly #mount: Mount | undefined;
  #openFiles: OpenFiles | undefined;

  constructor(files: Files, options: LocksOptions) {
    this.#files = files;
    this.#options = options;
    this.#presumedGone = options.presumed.pids;
    this.#mount = mountAtDirectory(options.root);
  }

  /** Who holds a lock, by one reading of all descriptors for all locks. */
  holderOf(file: FileEntry): Holder {
    const free: Holder = { state: "free" };
    if (file.kind === "link") return this.#ownerInLink(file) ?? this.#hiddenOwners() ?? free;
    this.#openFiles ??= readOpenFiles(this.#options.root, this.#presumedGone);
    const hidden = this.#hiddenOpeners(this.#openFiles);
    return (
      // the kernel's list comes last: it is read at once, right before a removal
      this.#opener(this.#openFiles, file) ??
      this.#ownerInside(file) ??
      this.#kernelLock(file) ??
      hidden ??
      free
    );
  }

  /** The same, looked at afresh: to be asked right before a lock is removed. A plan removes nothing. */
  holderNow(file: FileEntry): Holder {
    if (this.#options.mode === "apply") this.#openFiles = undefined;
    return this.holderOf(file);
  }

  #opener(openFiles: OpenFiles, file: FileEntry): Holder | undefined {
    const openers = openFiles.openersOf(file);
    const opener = openers.find(({ lock }) => lock !== undefined) ?? openers[0];
    return opener && { state: "live", pid: opener.pid, how: opener.lock ?? "has it open" };
  }

  /** Why somebody who cannot be seen may have it open. */
  #hiddenOpeners({ hiddenProcesses }: OpenFiles): Holder | undefined {
    if (hiddenProcesses > 0) {
      const isRoot = process.geteuid?.() === 0;
      const who = isRoot
        ? "processes cannot be looked into"
        : "processes of other users cannot be looked into";
      return unknown(`${hiddenProcesses} ${who}; ${isRoot ? "CAP_SYS_PTRACE would tell" : "root could"}`);
    }
    return this.#hiddenOwners();
  }

  #hiddenOwners(): Holder | undefined {
    const why = blindSpot(this.#options.trustNamespace);
    if (why !== undefined) return unknown(why);
    const type = this.#mount?.type ?? "a file system of an unknown type";
    if (this.#options.trustNamespace || isLocal(type)) return undefined;
    return unknown(
      `it is on ${type}, which other hosts may use; set pidNamespace: trusted when none of them runs the application`,
    );
  }

  #ownerInside(file: FileEntry): Holder | undefined {
    const content = this.#files.read(file, LOCK_MAX_BYTES + 1);
    if (content === undefined) return unknown("it cannot be read");
    if (isSqlite(content)) return unknown("it is no lock, but a file of SQLite, which may be needed");
    if (content.length > LOCK_MAX_BYTES) return unknown("it is too long to be looked through");
    const named = this.#liveAmong(parseLockOwners(content));
    if (named !== undefined) return named;
    const pid = numbersIn(content).find((number) => this.#mayHaveWritten(number, file));
    return pid === undefined ? undefined : unknown(`it holds the number ${pid}, which is a running process`);
  }

  /** A symbolic link is a lock if its target is no file, but a text that names an owner, as Chrome and Emacs do it. */
  #ownerInLink(file: FileEntry): Holder | undefined {
    const target = this.#files.targetOf(file);
    const owners = target === undefined ? [] : parseLockOwners(target);
    const leadsSomewhere =
      target === undefined || this.#files.look(posix.join(posix.dirname(file.path), target)) !== undefined;
    if (owners.length === 0 || leadsSomewhere) return unknown("it is a symbolic link that names no owner");
    return this.#liveAmong(owners);
  }

  #liveAmong(owners: readonly LockOwner[]): Holder | undefined {
    for (const { pid, host } of owners) {
      if (host !== undefined && host.toLowerCase() !== hostname().toLowerCase())
        return unknown(`it names pid ${pid} on ${host}`);
      if (this.#presumedGone.has(pid)) continue;
      if (isUnseen(pid))
        return unknown(`it names pid ${pid}, which is alive, and which only root can look at`);
      if (readProcess(pid) !== undefined) return { state: "live", pid, how: "named in it" };
    }
    return undefined;
  }

  #mayHaveWritten(pid: number, file: FileEntry): boolean {
    const process = readProcess(pid);
    if (process === undefined || this.#presumedGone.has(pid) || process.commandLine === "") return false;
    return process.startedAtMs <= file.modifiedAtMs + SLACK_MS;
  }

  /** Kernel locks whose holder cannot be seen: another user's, in another pid namespace, or with no descriptor left. */
  #kernelLock(file: FileEntry): Holder | undefined {
    const devices = [deviceNameOf(file.device), this.#mount?.device];
    const inode = `${file.inode}`;
    const lock = parseLocks(readFileSync("/proc/locks", "latin1")).find(
      (one) => one.inode === inode && devices.includes(one.device) && !this.#presumedGone.has(one.pid),
    );
    if (lock === undefined) return undefined;
    const { kind, pid } = lock;
    return pid > 0
      ? { state: "live", pid, how: kind }
      : unknown(`it is locked (${kind}) by a process that cannot be seen`);
  }
}
