import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { Mode } from "../report/report.ts";
import type { FileEntry, Files } from "./files.ts";
import { LOCK_MAX_BYTES, parseLockOwner } from "./lock-owner.ts";
import { lockThrough, type OpenFiles, readOpenFiles } from "./open-files.ts";
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

/**
 * The hands that tell whether a lock is held. A lock is live if a process holds a kernel lock on it, has it
 * open, or is named inside. flock and fcntl locks do not see each other, so nothing is probed by locking:
 * descriptors are read instead, see proc(5).
 */
export class Locks {
  readonly #files: Files;
  readonly #options: LocksOptions;
  readonly #presumedGone: ReadonlySet<number>;
  #openFiles: OpenFiles | undefined;

  constructor(files: Files, options: LocksOptions) {
    this.#files = files;
    this.#options = options;
    this.#presumedGone = options.presumed.pids;
  }

  /** Who holds a lock, by one reading of all descriptors for all locks. */
  holderOf(file: FileEntry): Holder {
    this.#openFiles ??= this.#readOpenFiles();
    return this.#holderBy(this.#openFiles, file);
  }

  /** The same, looked at afresh: to be asked right before a lock is removed. A plan removes nothing. */
  holderNow(file: FileEntry): Holder {
    if (this.#options.mode === "apply") this.#openFiles = undefined;
    return this.holderOf(file);
  }

  #readOpenFiles(): OpenFiles {
    return readOpenFiles(this.#options.root, this.#presumedGone);
  }

  #holderBy(openFiles: OpenFiles, file: FileEntry): Holder {
    const openers = openFiles.openersOf(file);
    const [opener] = openers;
    if (opener !== undefined) {
      const locking = openers.find((candidate) => lockThrough(candidate) !== undefined) ?? opener;
      return { state: "live", pid: locking.pid, how: lockThrough(locking) ?? "has it open" };
    }
    return (
      this.#ownerInside(file) ?? this.#kernelLock(file) ?? this.#blindSpot(openFiles) ?? { state: "free" }
    );
  }

  /** Why a process may hold it that cannot be seen. */
  #blindSpot({ hiddenProcesses }: OpenFiles): Holder | undefined {
    if (hiddenProcesses > 0) {
      return {
        state: "unknown",
        why: `${hiddenProcesses} processes of other users cannot be looked into; root could`,
      };
    }
    const why = blindSpot(this.#options.trustNamespace);
    return why === undefined ? undefined : { state: "unknown", why };
  }

  #ownerInside(file: FileEntry): Holder | undefined {
    const content = this.#files.read(file, LOCK_MAX_BYTES + 1);
    if (content === undefined) return { state: "unknown", why: "it cannot be read" };
    if (content.length > LOCK_MAX_BYTES)
      return { state: "unknown", why: "it is too long to be looked through" };
    const owner = parseLockOwner(content);
    if (owner === undefined || this.#presumedGone.has(owner.pid)) return undefined;
    if (owner.host !== undefined && owner.host !== hostname()) {
      return { state: "unknown", why: `it names pid ${owner.pid} on ${owner.host}` };
    }
    if (isUnseen(owner.pid)) {
      return {
        state: "unknown",
        why: `it names pid ${owner.pid}, which is alive, and which only root can look at`,
      };
    }
    if (readProcess(owner.pid) === undefined) return undefined;
    return { state: "live", pid: owner.pid, how: "named in it" };
  }

  /** Kernel locks whose holder cannot be seen, because it is another user's or in another pid namespace. */
  #kernelLock(file: FileEntry): Holder | undefined {
    const subject = `${deviceName(file.device)}:${file.inode}`;
    const lock = readFileSync("/proc/locks", "utf8")
      .split("\n")
      .map((line) => LOCK_LINE.exec(line)?.groups)
      .find((fields) => fields?.subject === subject && !this.#presumedGone.has(Number(fields.pid)));
    if (lock === undefined) return undefined;
    const kind = `${lock.kind}`.toLowerCase();
    const pid = Number(lock.pid);
    return pid > 0
      ? { state: "live", pid, how: kind }
      : { state: "unknown", why: `it is locked (${kind}) by a process that cannot be seen` };
  }
}

/**
 * A line of proc_locks(5): `1: FLOCK  ADVISORY  WRITE 4242 fe:00:1234 0 EOF`, with `->` before the kind of one that
 * waits. The pid of an OFD lock is -1, that of a holder in another pid namespace 0.
 */
const LOCK_LINE = /^\d+:\s+(?:->\s+)?(?<kind>\w+)\s+\S+\s+\S+\s+(?<pid>-?\d+)\s+(?<subject>\S+)\s/;

/** A device as /proc/locks names it: `fe:00`. The numbers are packed as in gnu_dev_major(3). */
function deviceName(device: number): string {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  return `${hex(major)}:${hex(minor)}`;
}

function hex(value: number): string {
  return value.toString(16).padStart(2, "0");
}
