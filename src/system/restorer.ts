import { posix } from "node:path";
import { messageOf, systemCodeOf } from "../errors.ts";
import type { Effect, Mode } from "../report/report.ts";
import { Directories, DirectoryChanged, type HeldDirectory, release, within } from "./directory.ts";
import { type FileEntry, lookAt } from "./file-entry.ts";
import type { ManifestLine } from "./manifest-line.ts";
import { readManifest } from "./manifest-reader.ts";
import { holdOwn } from "./own-directory.ts";
import { putBack, removeIfEmpty } from "./put-back.ts";

/** The hand that puts back what one run moved to quarantine. It never overwrites; in plan mode it only looks. */
export class Restorer {
  readonly #root: string;
  readonly #run: string;
  readonly #mode: Mode;
  readonly #directories: Directories;
  /** Directories that a plan would have put back by now. */
  readonly #planned = new Set<string>();
  #quarantine: HeldDirectory | undefined;

  /** `root` is a real path, `run` a run's id. Throws `refused` when our own directory may be somebody else's. */
  constructor(root: string, run: string, mode: Mode) {
    this.#root = root;
    this.#run = run;
    this.#mode = mode;
    this.#quarantine = holdOwn(root, ["quarantine", run], false);
    this.#directories = new Directories(root);
  }

  /** What the run wrote down, in that order; `undefined`: there is no manifest of this run. Throws `refused`. */
  manifest(): Generator<ManifestLine> | undefined {
    return readManifest(this.#root, this.#run);
  }

  /** Puts back what a line names, if it is in quarantine: `changed` when there is no place for it any more. */
  restore({ path, inode, kind, quarantine }: ManifestLine): Effect {
    try {
      const to = this.#directories.reach(path);
      const there = lookAt(to, path);
      if (quarantine === undefined) return isInode(there, inode) ? STILL_THERE : REMOVED;
      const from = this.#quarantine === undefined ? undefined : within(this.#quarantine, quarantine);
      const entry = from === undefined ? undefined : lookAt(from, path);
      if (from === undefined || entry === undefined) return isInode(there, inode) ? STILL_THERE : NO_LONGER;
      if (!isInode(entry, inode) || entry.kind !== kind) return changed("it is not what was moved there");
      if (there !== undefined && !isInode(there, inode)) return changed("something else is there now");
      if (this.#mode === "plan") return this.#plan(path);
      const obstacle = putBack(from, to, entry.kind === "directory");
      return obstacle === undefined ? { outcome: "done", bytes: 0 } : changed(obstacle);
    } catch (error) {
      if (error instanceof DirectoryChanged) {
        if (quarantine === undefined) return REMOVED;
        if (this.#planned.has(posix.dirname(path))) return this.#plan(path);
        return changed(`its directory: ${error.message}`);
      }
      return { outcome: "failed", reason: systemCodeOf(error) ?? messageOf(error) };
    }
  }

  #plan(path: string): Effect {
    this.#planned.add(path);
    return { outcome: "planned", bytes: 0 };
  }

  /** Lets go of what is held open; the quarantine of the run goes when nothing is left in it. */
  close(): void {
    this.#directories.close();
    if (this.#quarantine !== undefined) release(this.#quarantine);
    this.#quarantine = undefined;
    const quarantine = this.#mode === "apply" ? holdOwn(this.#root, ["quarantine"], false) : undefined;
    if (quarantine === undefined) return;
    removeIfEmpty(within(quarantine, this.#run));
    release(quarantine);
  }
}

/** Older manifests hold the inode as a number, which is rounded above 2^53. */
function isInode(entry: FileEntry | undefined, written: ManifestLine["inode"]): boolean {
  if (entry === undefined) return false;
  return typeof written === "string" ? `${entry.inode}` === written : Number(entry.inode) === written;
}

const STILL_THERE: Effect = { outcome: "kept", reason: "it is there" };
const REMOVED: Effect = { outcome: "kept", reason: "it was removed, not moved to quarantine" };
const NO_LONGER: Effect = { outcome: "kept", reason: "it is no longer in quarantine" };

function changed(reason: string): Effect {
  return { outcome: "changed", reason };
}
