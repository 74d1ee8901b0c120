import { lstatSync, rmdirSync, unlinkSync } from "node:fs";
import { messageOf, SafeShutdownError, systemCodeOf } from "../errors.ts";
import type { Effect, Mode } from "../report/report.ts";
import { batchesOf } from "./batches.ts";
import type { Clock } from "./clock.ts";
import { type Condemned, obstacleTo, planned } from "./condemned.ts";
import { type Directories, DirectoryChanged } from "./directory.ts";
import { isSame } from "./evidence.ts";
import type { Manifest } from "./manifest.ts";
import { lineOf, type ManifestLine } from "./manifest-line.ts";
import { CannotMove, type Quarantine } from "./quarantine.ts";
import type { Quota } from "./quota.ts";
import { Turns } from "./turns.ts";
import type { FileEntry } from "./walk.ts";

export interface RemovalOptions {
  readonly mode: Mode;
  readonly directories: Directories;
  readonly quota: Quota;
  readonly manifest: Manifest;
  readonly quarantine: Quarantine;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** One with the lines that must be on disk before it is acted on. */
interface Prepared<One> {
  readonly condemned: One;
  readonly lines: readonly ManifestLine[];
  /** Its name in quarantine. */
  readonly moveTo?: string;
  /** Why it cannot be moved there. */
  readonly kept?: string;
}

/** How many files share one write to disk: a crash leaves at most so many lines of what was not removed. */
const BATCH = 512;

function filesIn({ unit }: Condemned): number {
  return unit === undefined ? 1 : unit.files.length + 1;
}

/**
 * The hand that removes, for one job: only what is written in the manifest before, only what is still as it was
 * observed, through held directories, within the limits. In plan mode it only says what it would do.
 */
export class Removal {
  readonly #options: RemovalOptions;
  #hasCountedEarlier = false;

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  /**
   * Removes what comes, batch by batch: written down, looked at once more, removed. Already gone counts as done.
   * Throws `refused` when a limit is reached or the manifest cannot be written; when aborted.
   */
  async *inBatches<One extends Condemned>(
    source: Iterable<One> | AsyncIterable<One>,
  ): AsyncGenerator<{ readonly condemned: One; readonly effect: Effect }> {
    const { mode, manifest, clock, signal } = this.#options;
    const turns = new Turns(clock);
    for await (const batch of batchesOf(source, mode === "plan" ? 1 : BATCH, filesIn)) {
      if (mode === "apply") this.#countEarlier();
      const prepared = batch.map((condemned) => this.#prepare(condemned));
      await manifest.record(prepared.flatMap(({ lines }) => lines));
      for (const one of prepared) {
        signal.throwIfAborted();
        const reason = one.kept ?? (await one.condemned.lastLook?.());
        const effect: Effect =
          reason === undefined ? await this.#act(one, turns) : { outcome: "kept", reason };
        yield { condemned: one.condemned, effect };
        if (turns.isDue) await turns.take();
      }
    }
  }

  #countEarlier(): void {
    if (this.#hasCountedEarlier) return;
    const { files, bytes } = this.#options.manifest.earlier();
    this.#options.quota.count(files, bytes, undefined);
    this.#hasCountedEarlier = true;
  }

  #prepare<One extends Condemned>(condemned: One): Prepared<One> {
    const { mode, manifest, quarantine } = this.#options;
    const { entry, unit, reason, quarantineMs } = condemned;
    if (mode === "plan") return { condemned, lines: [] };
    if (quarantineMs === undefined) {
      const entries = unit === undefined ? [entry] : [...unit.files, entry];
      const facts = manifest.facts(reason);
      return { condemned, lines: entries.map((one) => lineOf(one, facts)) };
    }
    try {
      const moveTo = quarantine.nameFor(entry, quarantineMs);
      return { condemned, moveTo, lines: [lineOf(entry, manifest.facts(reason, moveTo))] };
    } catch (error) {
      return { condemned, lines: [], kept: messageOf(error) };
    }
  }

  async #act({ condemned, moveTo }: Prepared<Condemned>, turns: Turns): Promise<Effect> {
    const { entry, unit, rule } = condemned;
    if (unit !== undefined) {
      const before = this.#guarded(entry, () => GO_ON);
      if (before !== GO_ON) return before;
      const obstacle = await obstacleTo(unit);
      if (obstacle !== undefined) return { outcome: "changed", reason: obstacle };
    }
    const effect = this.#guarded(entry, (at) => {
      const files = unit?.files ?? [entry];
      const bytes = files.reduce((sum, { freesBytes }) => sum + freesBytes, 0);
      this.#options.quota.take(files.length, bytes, rule);
      if (this.#options.mode === "plan") return planned(condemned, bytes);
      if (moveTo !== undefined) return this.#options.quarantine.take(entry, at, moveTo);
      if (unit !== undefined) return GO_ON;
      unlinkSync(at);
      return { outcome: "done", bytes };
    });
    return unit !== undefined && effect === GO_ON ? this.#removeUnit(entry, unit.files, turns) : effect;
  }

  /** A directory with the files that were seen in it; whatever came into it since then makes `rmdir` fail. */
  async #removeUnit(directory: FileEntry, files: readonly FileEntry[], turns: Turns): Promise<Effect> {
    let bytes = 0;
    for (const [index, file] of files.entries()) {
      const effect = this.#guarded(file, (at) => {
        unlinkSync(at);
        return { outcome: "done", bytes: file.freesBytes };
      });
      if (!("bytes" in effect))
        return { ...effect, reason: `${effect.reason}; ${index} files in it were removed` };
      bytes += effect.bytes;
      if (turns.isDue) await turns.take();
    }
    return this.#guarded(directory, (at) => {
      rmdirSync(at);
      return { outcome: "done", bytes };
    });
  }

  /** Acts on an entry only if it is still what was observed. */
  #guarded(entry: FileEntry, act: (at: string) => Effect): Effect {
    try {
      const at = this.#options.directories.reach(entry.path);
      const stats = lstatSync(at, { throwIfNoEntry: false });
      if (stats === undefined) return ALREADY_GONE;
      if (!isSame(entry, stats)) return { outcome: "changed", reason: "it is no longer what was looked at" };
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

/** What is in the directory comes first. */
const GO_ON: Effect = { outcome: "done", bytes: 0 };
const ALREADY_GONE: Effect = { outcome: "done", bytes: 0, reason: "it was already gone" };
