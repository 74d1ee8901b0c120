import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs";
import { posix } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { messageOf, systemCodeOf } from "../errors.ts";
import type { Effect, Mode } from "../report/report.ts";
import { Directories, DirectoryChanged, type HeldDirectory, release, within } from "./directory.ts";
import { type ManifestLine, parseLines } from "./manifest-line.ts";
import { holdOwn, obstacleIn, refusal } from "./own-directory.ts";
import { putBack, removeIfEmpty } from "./put-back.ts";
import { entryOf } from "./walk.ts";

const OPEN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CHUNK_BYTES = 65_536;

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
    const directory = holdOwn(this.#root, [], false);
    if (directory === undefined) return undefined;
    const name = `${this.#run}.jsonl`;
    try {
      const descriptor = openSync(within(directory, name), OPEN);
      const obstacle = obstacleIn(fstatSync(descriptor), "file");
      if (obstacle === undefined) return readLines(descriptor);
      closeSync(descriptor);
      throw new Error(obstacle);
    } catch (error) {
      if (systemCodeOf(error) === "ENOENT") return undefined;
      throw refusal(`.safe-shutdown/${name}`, messageOf(error), error);
    } finally {
      release(directory);
    }
  }

  /** Puts back what a line names, if it is in quarantine: `changed` when there is no place for it any more. */
  restore({ path, inode, kind, quarantine }: ManifestLine): Effect {
    try {
      const to = this.#directories.reach(path);
      const there = lstatSync(to, { throwIfNoEntry: false });
      if (quarantine === undefined) return there?.ino === inode ? STILL_THERE : REMOVED;
      const from = this.#quarantine === undefined ? undefined : within(this.#quarantine, quarantine);
      const stats = from === undefined ? undefined : lstatSync(from, { throwIfNoEntry: false });
      if (from === undefined || stats === undefined) return there?.ino === inode ? STILL_THERE : NO_LONGER;
      const entry = entryOf(path, stats);
      if (entry.inode !== inode || entry.kind !== kind) return changed("it is not what was moved there");
      if (there !== undefined && there.ino !== inode) return changed("something else is there now");
      if (this.#mode === "plan") return this.#plan(path);
      const obstacle = putBack(from, to, stats.isDirectory());
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

const STILL_THERE: Effect = { outcome: "kept", reason: "it is there" };
const REMOVED: Effect = { outcome: "kept", reason: "it was removed, not moved to quarantine" };
const NO_LONGER: Effect = { outcome: "kept", reason: "it is no longer in quarantine" };

function changed(reason: string): Effect {
  return { outcome: "changed", reason };
}

/** Line by line, so that a manifest may be of any length. A line that a crash cut off names nothing that was removed. */
function* readLines(descriptor: number): Generator<ManifestLine> {
  const decoder = new StringDecoder("utf8");
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let rest = "";
  try {
    for (let count = -1; count !== 0; ) {
      count = readSync(descriptor, chunk, 0, CHUNK_BYTES, null);
      const text = rest + decoder.write(chunk.subarray(0, count));
      const end = count === 0 ? text.length : text.lastIndexOf("\n") + 1;
      rest = text.slice(end);
      yield* parseLines(text.slice(0, end)).lines;
    }
  } finally {
    closeSync(descriptor);
  }
}
