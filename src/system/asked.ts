import { closeSync, constants, fstatSync, futimesSync, lstatSync, openSync, unlinkSync } from "node:fs";
import type { Mode } from "../report/report.ts";
import type { Clock } from "./clock.ts";
import { type HeldDirectory, release, within } from "./directory.ts";
import { childrenOf } from "./listing.ts";
import { machineId } from "./machine.ts";
import { holdOwn, obstacleIn } from "./own-directory.ts";
import type { Process } from "./proc.ts";

export interface AskedOptions {
  /** Where `.safe-shutdown` is, or is to be. A real path. */
  readonly root: string;
  readonly mode: Mode;
  readonly clock: Clock;
}

const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;
/** Far longer than any grace. */
const KEPT_MS = 30 * 86_400_000;
const PREFIX = "asked-";
/** A file system rounds times, a clock is corrected by a little. */
const SLACK_MS = 1_000;

/**
 * Which processes were asked to end, and when: an empty file for each in `.safe-shutdown`, named after the
 * machine's boot, pid and start time, until it has ended. To many a second SIGTERM means "at once" (RQ, Dramatiq, Celery with
 * REMAP_SIGTERM=SIGQUIT), and whoever sent the first may be dead when his job is run again.
 */
export class Asked {
  readonly #options: AskedOptions;

  constructor(options: AskedOptions) {
    this.#options = options;
  }

  /** How long ago exactly this process was asked; `undefined`: it was not, or that cannot be told. Never in a plan. */
  agoMs(process: Process): number | undefined {
    const { mode, clock } = this.#options;
    if (mode === "plan") return undefined;
    return this.#within(false, (directory) => {
      const stats = lstatSync(within(directory, nameOf(process)), { throwIfNoEntry: false });
      if (stats === undefined || obstacleIn(stats, "file") !== undefined) return undefined;
      const agoMs = clock.now() - stats.mtimeMs;
      return agoMs < -SLACK_MS ? undefined : Math.max(0, agoMs);
    });
  }

  /** Notes that it was asked just now. Where nothing can be noted, whoever comes next asks again. */
  note(process: Process): void {
    const { clock } = this.#options;
    this.#within(true, (directory) => {
      forgetOld(directory, clock.now() - KEPT_MS);
      const flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
      const descriptor = openSync(within(directory, nameOf(process)), flags, 0o600);
      try {
        const nowS = clock.now() / 1_000;
        if (obstacleIn(fstatSync(descriptor), "file") === undefined) futimesSync(descriptor, nowS, nowS);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  /** It has ended. */
  forget(process: Process): void {
    if (this.#options.mode === "plan") return;
    this.#within(false, (directory) => unlinkSync(within(directory, nameOf(process))));
  }

  /** A service must be stopped also where nothing can be read or written, or where somebody else's files are. */
  #within<T>(make: boolean, act: (directory: HeldDirectory) => T): T | undefined {
    try {
      const directory = holdOwn(this.#options.root, [], make);
      if (directory === undefined) return undefined;
      try {
        return act(directory);
      } finally {
        release(directory);
      }
    } catch {
      return undefined;
    }
  }
}

function nameOf({ pid, startTicks }: Process): string {
  return `${PREFIX}${machineId()}-${pid}-${startTicks}`;
}

function forgetOld(directory: HeldDirectory, beforeMs: number): void {
  for (const { name } of childrenOf(directory)) {
    if (!name.startsWith(PREFIX)) continue;
    const at = within(directory, name);
    const stats = lstatSync(at, { throwIfNoEntry: false });
    if (stats?.isFile() && stats.mtimeMs < beforeMs) unlinkSync(at);
  }
}
