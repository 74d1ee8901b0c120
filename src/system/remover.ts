import { rmdirSync, unlinkSync } from "node:fs";
import { messageOf, SafeShutdownError, systemCodeOf } from "../errors.ts";
import type { Effect } from "../report/report.ts";
import { CannotMove, obstacleTo, type Unit } from "./condemned.ts";
import { DirectoryChanged, type Holder } from "./directory.ts";
import { isSame } from "./evidence.ts";
import { type FileEntry, lookAt } from "./file-entry.ts";

/** Removes what was looked at, through its proved directory, and only if it is still the same. Never throws for it. */
export class Remover {
  readonly #holder: Holder;

  constructor(holder: Holder) {
    this.#holder = holder;
  }

  /** Already gone counts as done. */
  remove(file: FileEntry): Effect {
    return this.guarded(file, (at) => unlink(at, file));
  }

  /** Why a directory cannot go as a unit any more, if it cannot; pauses now and then. */
  *checkUnit(directory: FileEntry, unit: Unit): Generator<void, Effect | undefined> {
    const before = this.guarded(directory, () => STILL_THERE);
    if (before !== STILL_THERE) return before;
    const obstacle = yield* obstacleTo(unit);
    return obstacle === undefined ? undefined : { outcome: "changed", reason: obstacle };
  }

  /** A directory with the files that were seen in it; whatever came into it since then makes `rmdir` fail. */
  *removeUnit(directory: FileEntry, { files }: Unit): Generator<void, Effect> {
    let bytes = 0;
    for (const [index, file] of files.entries()) {
      const effect = this.remove(file);
      if (!("bytes" in effect)) return { ...effect, reason: `${effect.reason}; ${index} ${PARTLY}` };
      bytes += effect.bytes;
      yield;
    }
    return this.guarded(directory, (at) => {
      rmdirSync(at);
      return { outcome: "done", bytes };
    });
  }

  /** Acts on an entry only if it is still what was observed. */
  guarded(entry: FileEntry, act: (at: string) => Effect): Effect {
    try {
      const at = this.#holder.reach(entry.path);
      const now = lookAt(at, entry.path);
      if (now === undefined) return ALREADY_GONE;
      if (!isSame(entry, now)) return { outcome: "changed", reason: "it is no longer what was looked at" };
      return act(at);
    } catch (error) {
      if (error instanceof SafeShutdownError) throw error;
      if (error instanceof CannotMove) return { outcome: "kept", reason: error.message };
      if (error instanceof DirectoryChanged) return { outcome: "changed", reason: error.message };
      const code = systemCodeOf(error);
      if (code === "ENOENT") return ALREADY_GONE;
      if (code === "ENOTEMPTY") return { outcome: "changed", reason: "something was put into it meanwhile" };
      return { outcome: "failed", reason: code ?? messageOf(error) };
    }
  }
}

/** To be used where it was just seen to be the same. */
export function unlink(at: string, file: FileEntry): Effect {
  unlinkSync(at);
  return { outcome: "done", bytes: file.freesBytes };
}

const PARTLY = "files in it were removed";

/** Whether nothing was removed, as there was nothing any more, or something else. */
export function isUntouched({ outcome, reason = "" }: Effect): boolean {
  return outcome === "changed" ? !reason.endsWith(PARTLY) : reason !== "" && outcome === "done";
}

const STILL_THERE: Effect = { outcome: "done", bytes: 0 };
const ALREADY_GONE: Effect = { outcome: "done", bytes: 0, reason: "it was already gone" };
