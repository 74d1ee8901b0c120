import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { messageOf, systemCodeOf } from "../errors.ts";
import type { Clock } from "./clock.ts";
import { type HeldDirectory, release, within } from "./directory.ts";
import { type LineWriter, lineWriter } from "./line-writer.ts";
import { readManifest } from "./manifest-reader.ts";
import { rotateManifests } from "./manifest-rotation.ts";
import { holdOwn, obstacleIn, refusal } from "./own-directory.ts";
import { Turns } from "./turns.ts";

export interface ManifestOptions {
  /** Where `.safe-shutdown` is, or is to be. A real path. */
  readonly root: string;
  /** Names the file; all jobs of a run on this host write to the same. */
  readonly run: string;
  readonly job: string;
  readonly host: string;
  readonly clock: Clock;
}

const syncData = promisify(fdatasync);
const BUFFER_BYTES = 1_048_576;
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;
const OPEN = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;

/**
 * What a run removes, written down before: `.safe-shutdown/<run>.jsonl` in the root. The file is made at the first
 * removal, so that neither a plan nor a run that finds nothing leaves one.
 */
export class Manifest {
  readonly #options: ManifestOptions;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #descriptor: number | undefined;

  constructor(options: ManifestOptions) {
    this.#options = options;
  }

  /** Who writes, as each line names it. */
  get names(): { readonly job: string; readonly host: string } {
    const { job, host } = this.#options;
    return { job, host };
  }

  /** Renders the lines, to be recorded soon, of entries that go for this reason, or to this place in quarantine. */
  writer(reason: string, quarantine?: string): LineWriter {
    const { job, host, clock } = this.#options;
    return lineWriter({ at: new Date(clock.now()).toISOString(), job, host, reason, quarantine });
  }

  /**
   * How much an earlier attempt of the same job wrote down: it counts, or a job that is killed has no limit. Never less
   * than was removed, but maybe more: what turned out to be kept, or changed, is in it too.
   */
  async earlier(): Promise<{ readonly files: number; readonly bytes: number }> {
    const { root, run, job, host, clock } = this.#options;
    const sum = { files: 0, bytes: 0 };
    const turns = new Turns(clock);
    for (const line of readManifest(root, run) ?? []) {
      if (turns.isDue) await turns.take();
      if (line.job !== job || line.host !== host) continue;
      const isCountedByItsFiles = line.kind === "directory" && line.files === undefined;
      if (isCountedByItsFiles) continue;
      sum.files += line.files ?? 1;
      sum.bytes += line.freesBytes ?? line.sizeBytes;
    }
    return sum;
  }

  /**
   * Resolves when the lines are on disk. Throws `refused` when they are not, or may not be: then nothing of what they
   * name may be removed.
   */
  async record(lines: string | Uint8Array): Promise<void> {
    if (lines.length === 0) return;
    this.#descriptor ??= this.#open();
    try {
      this.#write(this.#descriptor, lines);
      await syncData(this.#descriptor);
    } catch (error) {
      this.close(); // what is written next must not go on in the middle of a line
      throw refusal(this.#name, reasonOf(error), error);
    }
  }

  /** What fits into one buffer again and again needs no new memory. */
  #write(descriptor: number, lines: string | Uint8Array): void {
    if (typeof lines !== "string") writeAll(descriptor, lines);
    else if (lines.length * 3 > this.#buffer.length) writeAll(descriptor, Buffer.from(lines));
    else writeAll(descriptor, this.#buffer.subarray(0, this.#buffer.write(lines)));
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  get #name(): string {
    return `.safe-shutdown/${this.#options.run}.jsonl`;
  }

  /** An older process may have been killed, or found the disk full, in the middle of a line: it is ended first. */
  #open(): number {
    const { root, run, clock } = this.#options;
    const directory = holdOwn(root, [], true);
    if (directory === undefined) throw refusal(".safe-shutdown", "it is gone");
    try {
      rotateManifests(directory, clock.now());
      const descriptor = openOwnFile(directory, `${run}.jsonl`);
      try {
        if (!endsWithLine(descriptor)) writeAll(descriptor, Buffer.from("\n"));
        fsyncSync(directory.fd);
        return descriptor;
      } catch (error) {
        closeSync(descriptor);
        throw error;
      }
    } catch (error) {
      throw refusal(this.#name, reasonOf(error), error);
    } finally {
      release(directory);
    }
  }
}

/** Opens a file that only we can have written; a FIFO never makes it wait. Throws when it may be somebody else's. */
function openOwnFile(directory: HeldDirectory, name: string): number {
  const descriptor = openSync(within(directory, name), OPEN, 0o600);
  const obstacle = obstacleIn(fstatSync(descriptor), "file");
  if (obstacle === undefined) return descriptor;
  closeSync(descriptor);
  throw new Error(obstacle);
}

function endsWithLine(descriptor: number): boolean {
  const { size } = fstatSync(descriptor);
  if (size === 0) return true;
  const last = Buffer.alloc(1);
  readSync(descriptor, last, 0, 1, size - 1);
  return last.toString() === "\n";
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(descriptor, bytes, written, bytes.length - written);
  }
}

function reasonOf(error: unknown): string {
  const code = systemCodeOf(error);
  if (code === "ELOOP") return "it is a symbolic link";
  if (code === "ENOSPC" || code === "EDQUOT") return `the disk is full (${code}); free some room first`;
  return code ?? messageOf(error);
}
