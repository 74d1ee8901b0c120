import { randomBytes } from "node:crypto";
import { lstatSync, renameSync } from "node:fs";
import { posix } from "node:path";
import { messageOf, systemCodeOf } from "../errors.ts";
import type { Effect } from "../report/report.ts";
import type { Clock } from "./clock.ts";
import { CannotMove } from "./condemned.ts";
import { type HeldDirectory, release, within } from "./directory.ts";
import { isSameMoved } from "./evidence.ts";
import { type FileEntry, lookAt } from "./file-entry.ts";
import { holdOwn } from "./own-directory.ts";
import { putBack } from "./put-back.ts";

export interface QuarantineOptions {
  /** A real path. */
  readonly root: string;
  readonly run: string;
  readonly clock: Clock;
}

/** In bytes: a file name has at most 255, and something is put before it. */
const LONGEST_ENDING = 200;

/**
 * Where a run moves what it does not remove: `.safe-shutdown/quarantine/<run>/` in the root. A name there says until
 * when it is kept, then something that no other name has, then what it was called:
 * `20270131T000500Z-1f0c9ad2b45e6f70-app.log.1`.
 */
export class Quarantine {
  readonly #options: QuarantineOptions;
  #held: HeldDirectory | undefined;

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  /** A name for an entry, to be written down before it is moved. Throws `CannotMove` when nothing can be. */
  nameFor(entry: FileEntry, keepMs: number): string {
    this.#open();
    const original = posix.basename(entry.path);
    const ending = Buffer.byteLength(original) > LONGEST_ENDING ? "" : `-${original}`;
    const until = formatStamp(this.#options.clock.now() + keepMs);
    return `${until}-${randomBytes(8).toString("hex")}${ending}`;
  }

  /** Moves an entry from where it was reached; what turns out to be another file by then is put back. */
  take(entry: FileEntry, at: string, name: string): Effect {
    const held = this.#open();
    const to = within(held, name);
    move(at, to);
    const moved = lookAt(to, entry.path);
    if (moved === undefined) throw new Error(`${held.path}/${name} is gone`);
    if (isSameMoved(entry, moved)) {
      const until = new Date(untilOf(name) ?? 0).toISOString();
      return { outcome: "done", bytes: 0, reason: `moved to quarantine until ${until}` };
    }
    const obstacle = putBack(to, at, moved.kind === "directory");
    const where = obstacle === undefined ? "" : `; it is in ${held.path}/${name} now: ${obstacle}`;
    return { outcome: "changed", reason: `it is no longer what was looked at${where}` };
  }

  close(): void {
    if (this.#held !== undefined) release(this.#held);
    this.#held = undefined;
  }

  #open(): HeldDirectory {
    const { root, run } = this.#options;
    try {
      this.#held ??= holdOwn(root, ["quarantine", run], true);
    } catch (error) {
      throw new CannotMove(`it cannot be moved: ${messageOf(error)}`, { cause: error });
    }
    if (this.#held === undefined) throw new CannotMove("it cannot be moved: the quarantine is gone");
    return this.#held;
  }
}

/** ENOENT may mean either end: only when the file itself is gone is there nothing left to do. */
function move(at: string, to: string): void {
  try {
    renameSync(at, to);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === "EXDEV") {
      const where = "on another file system, or on another layer of this one"; // rename(2) of overlayfs
      throw new CannotMove(`it cannot be moved: the quarantine is ${where}`, { cause: error });
    }
    if (code === "ENOENT" && lstatSync(at, { throwIfNoEntry: false }) !== undefined) {
      throw new CannotMove("it cannot be moved: the quarantine is gone", { cause: error });
    }
    throw error;
  }
}

const STAMP = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]{16}(?:-|$)/;
/** Later than this, a year has more than four digits. */
const END_OF_TIME_MS = Date.UTC(9999, 11, 31);

function formatStamp(atMs: number): string {
  const whole = new Date(Math.min(atMs, END_OF_TIME_MS)).toISOString();
  return whole.replace(/[-:]|\.\d+/g, "");
}

/** Until when something is kept, as its name in quarantine says; `undefined`: no such name. */
export function untilOf(name: string): number | undefined {
  const [, year, month, day, hour, minute, second] = STAMP.exec(name) ?? [];
  if (year === undefined) return undefined;
  const atMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(atMs) ? undefined : atMs;
}
