import { lstatSync, unlinkSync } from "node:fs";
import { systemCodeOf } from "../errors.ts";
import { type HeldDirectory, within } from "./directory.ts";
import { childrenOf } from "./listing.ts";

/** The newest manifests are kept, none for longer than this. */
export const MANIFESTS_KEPT = 200;
export const MANIFEST_MAX_AGE_MS = 90 * 86_400_000;

const MANIFEST = /^(run-.+)\.jsonl$/;

/**
 * Removes manifests of long ago from our own directory. One whose run still has something in quarantine stays: it
 * knows where that belongs.
 */
export function rotateManifests(directory: HeldDirectory, nowMs: number): void {
  const manifests = [...childrenOf(directory)].flatMap(({ name }) => {
    const run = MANIFEST.exec(name)?.[1];
    const stats = lstatSync(within(directory, name), { throwIfNoEntry: false });
    return run === undefined || !stats?.isFile() ? [] : [{ name, run, modifiedAtMs: stats.mtimeMs }];
  });
  manifests.sort((a, b) => b.modifiedAtMs - a.modifiedAtMs);
  for (const [index, { name, run, modifiedAtMs }] of manifests.entries()) {
    if (index < MANIFESTS_KEPT && nowMs - modifiedAtMs < MANIFEST_MAX_AGE_MS) continue;
    if (lstatSync(within(directory, `quarantine/${run}`), { throwIfNoEntry: false }) !== undefined) continue;
    unlinkIfThere(within(directory, name));
  }
}

/** Another job of the run may rotate at the same time. */
function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw error;
  }
}
