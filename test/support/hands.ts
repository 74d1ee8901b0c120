import { execFileSync } from "node:child_process";
import { chmodSync, lutimesSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { Service } from "../../src/config/config.ts";
import type { Effect, Mode } from "../../src/report/report.ts";
import { type Clock, systemClock } from "../../src/system/clock.ts";
import { type FileEntry, Files, type FindRule, type Found } from "../../src/system/files.ts";
import { Locks } from "../../src/system/locks.ts";
import { Manifest } from "../../src/system/manifest.ts";
import { Processes } from "../../src/system/processes.ts";
import { Quarantine } from "../../src/system/quarantine.ts";
import { Quota } from "../../src/system/quota.ts";
import { temporaryDirectory } from "./temp.ts";

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export interface HandsOptions {
  readonly mode?: Mode;
  readonly preserve?: readonly string[];
  readonly limit?: number;
  readonly limitBytes?: number;
  /** Where `.safe-shutdown` is. Default: a directory of its own, so that the root holds what the test put there. */
  readonly ownRoot?: string;
  readonly services?: readonly Service[];
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** Entries to be passed before sweepers are called. */
  readonly calledAfter?: number;
  readonly presumed?: { readonly pids: ReadonlySet<number>; readonly paths: ReadonlySet<string> };
  /** The programs that can signal exactly. */
  readonly senders?: readonly string[];
}

/** The run that the hands of a test belong to. */
export const RUN = "run-20270131t000500z-abcdef";

/** The hands on a root, let go when the test has finished. Default: they act, and nothing is preserved. */
export function handsOn(root: string, options: HandsOptions = {}) {
  const presumed = options.presumed ?? { pids: new Set<number>(), paths: new Set<string>() };
  const common = {
    root,
    mode: options.mode ?? "apply",
    clock: options.clock ?? systemClock,
    signal: options.signal ?? new AbortController().signal,
    presumed,
    calledAfter: options.calledAfter,
  };
  const { clock, mode } = common;
  const own = { root: options.ownRoot ?? temporaryDirectory(), run: RUN, clock };
  const limits = { files: options.limit ?? 1_000_000, keys: 0, bytes: options.limitBytes };
  const quota = new Quota({ noun: "files", limits, mode });
  const files = new Files({
    ...{ ...common, quota },
    preserve: options.preserve ?? [],
    manifest: new Manifest({ ...own, job: "test", host: "h1" }),
    quarantine: new Quarantine(own),
  });
  onTestFinished(() => files.close());
  const processes = new Processes({
    ...common,
    trustNamespace: false,
    services: options.services ?? [],
    files,
    ...(options.senders !== undefined && { senders: options.senders }),
  });
  return {
    files,
    quota,
    processes,
    locks: new Locks(files, { root, mode: common.mode, trustNamespace: false, presumed }),
  };
}

/** A service with everything but its name defaulted: any process with its name in the command line. */
export function serviceOf(name: string, changes: Partial<Service> = {}): Service {
  return {
    name,
    pidFiles: [`pids/${name}.pid`],
    matches: new RegExp(`\\b${name}\\b`),
    user: undefined,
    graceMs: 5_000,
    afterGrace: "kill",
    strays: "report",
    ...changes,
  };
}

/** Writes a file with all its parents, as old as asked; its absolute path. */
export function put(root: string, path: string, content: string | Buffer = "x", ageMs = HOUR): string {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, content);
  age(full, ageMs);
  return full;
}

/** Makes a path (a link itself, not what it points to) look as if last written so long ago. */
export function age(full: string, ageMs: number, nowMs = Date.now()): void {
  const at = (nowMs - ageMs) / 1_000;
  lutimesSync(full, at, at);
}

/** Everything a search finds. */
export async function all<Rule extends FindRule>(found: AsyncIterable<Found<Rule>>): Promise<Found<Rule>[]> {
  const list: Found<Rule>[] = [];
  for await (const one of found) list.push(one);
  return list;
}

/** What a search for these patterns finds: path, and the reason why it is kept, if there is one. */
export async function searched(files: Files, ...patterns: string[]): Promise<Record<string, string>> {
  const found = await all(files.find([{ patterns }]));
  return Object.fromEntries(found.map(({ path, kept }) => [path, kept ?? "found"]));
}

/** The evidence of a file that is there. */
export function seen(files: Files, path: string): FileEntry {
  const entry = files.look(path);
  if (entry === undefined) throw new Error(`expected ${path} to be there`);
  return entry;
}

/** What comes of removing a single file. */
export function removed(files: Files, entry: FileEntry): Promise<Effect> {
  return files.removeOne({ entry, reason: "a test" });
}

/** What comes of removing a directory with the files that `holding` names. */
export async function removedUnit(
  files: Files,
  entry: FileEntry,
  holding: readonly string[],
): Promise<Effect> {
  const { unit } = await files.unitOf(entry, holding);
  return files.removeOne({ entry, reason: "a test", unit });
}

/** A clock that stands still until it is told; sleeping and breathing take no time. */
export function stoppedClock(nowMs = Date.now()): Clock & { nowMs: number } {
  const clock = {
    nowMs,
    now: () => clock.nowMs,
    elapsed: () => clock.nowMs,
    sleep: async (ms: number) => {
      clock.nowMs += ms;
    },
    breathe: async () => {},
  };
  return clock;
}

/** Whether this user may mount, as only root outside a container may: then it is unmounted after the test. */
export function mountAt(full: string, ...args: string[]): boolean {
  try {
    execFileSync("mount", [...args, full], { stdio: "ignore" });
  } catch {
    return false;
  }
  onTestFinished(() => {
    execFileSync("umount", ["-l", full]);
  });
  return true;
}

/** Lets everybody look into the directory; a temporary directory is its owner's alone. */
export function openToAll(directory: string): void {
  chmodSync(directory, 0o755);
}
