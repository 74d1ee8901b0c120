import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from "node:fs";
import { messageOf, SafeShutdownError, systemCodeOf } from "../errors.ts";
import type { Effect, Mode } from "../report/report.ts";
import { Directories, DirectoryChanged, type HeldDirectory, release, within } from "./directory.ts";
import { type ManifestLine, parseLines } from "./manifest-line.ts";
import { holdOwn, obstacleIn, refusal } from "./own-directory.ts";
import { putBack, removeIfEmpty } from "./put-back.ts";
import { entryOf } from "./walk.ts";

const OPEN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The hand that puts back what one run moved to quarantine. It never overwrites, and in plan mode it only looks. */
export class Restorer {
  readonly #root: string;
  readonly #run: string;
  readonly #mode: Mode;
  readonly #directories: Directories;
  #held: HeldDirectory | undefined;

  /** `root` is a real path, `run` a run's id. Throws `refused` when our own directory may be somebody else's. */
  constructor(root: string, run: string, mode: Mode) {
    this.#root = root;
    this.#run = run;
    this.#mode = mode;
    this.#directories = new Directories(root);
    this.#held = holdOwn(root, ["quarantine", run], false);
  }

  /**
   * What the run wrote down, newest first: what was moved last is put back first, so that a directory is there again
   * before what was in it. `undefined`: there is no manifest of this run. Throws `refused`.
   */
  manifest(): { readonly lines: readonly ManifestLine[]; readonly torn: number } | undefined {
    const directory = holdOwn(this.#root, [], false);
    if (directory === undefined) return undefined;
    const name = `${this.#run}.jsonl`;
    let descriptor: number | undefined;
    try {
      descriptor = openSync(within(directory, name), OPEN);
      const obstacle = obstacleIn(fstatSync(descriptor), "file");
      if (obstacle !== undefined) throw new Error(obstacle);
      const { lines, torn } = parseLines(readFileSync(descriptor, "utf8"));
      return { lines: lines.reverse(), torn };
    } catch (error) {
      if (systemCodeOf(error) === "ENOENT") return undefined;
      throw refusal(`.safe-shutdown/${name}`, messageOf(error), error);
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
      release(directory);
    }
  }

  /** Puts back what a line of the manifest names, if it is still in quarantine. */
  restore({ path, inode, kind, quarantine }: ManifestLine): Effect {
    if (quarantine === undefined) return kept("it was removed, not moved to quarantine");
    try {
      const to = this.#directories.reach(path);
      const there = lstatSync(to, { throwIfNoEntry: false });
      const from = this.#held === undefined ? undefined : within(this.#held, quarantine);
      const stats = from === undefined ? undefined : lstatSync(from, { throwIfNoEntry: false });
      if (from === undefined || stats === undefined) {
        return kept(there?.ino === inode ? "it is back already" : "it is no longer in quarantine");
      }
      const entry = entryOf(path, stats);
      if (entry.inode !== inode || entry.kind !== kind) {
        return { outcome: "changed", reason: "it is not what was moved to quarantine" };
      }
      if (there !== undefined && there.ino !== inode) return kept("something else is there now");
      if (this.#mode === "plan") return { outcome: "planned", bytes: 0 };
      const obstacle = putBack(from, to, stats.isDirectory());
      return obstacle === undefined ? { outcome: "done", bytes: 0 } : kept(obstacle);
    } catch (error) {
      if (error instanceof SafeShutdownError) throw error;
      if (error instanceof DirectoryChanged) return kept(`its directory cannot be used: ${error.message}`);
      return { outcome: "failed", reason: systemCodeOf(error) ?? messageOf(error) };
    }
  }

  /** Lets go of what is held open; the quarantine of the run goes when nothing is left in it. */
  close(): void {
    this.#directories.close();
    if (this.#held === undefined) return;
    release(this.#held);
    this.#held = undefined;
    const quarantine = this.#mode === "apply" ? holdOwn(this.#root, ["quarantine"], false) : undefined;
    if (quarantine === undefined) return;
    removeIfEmpty(within(quarantine, this.#run));
    release(quarantine);
  }
}

function kept(reason: string): Effect {
  return { outcome: "kept", reason };
}
