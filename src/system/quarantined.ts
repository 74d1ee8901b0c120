import type { Mode } from "../report/report.ts";
import { type HeldDirectory, release, within } from "./directory.ts";
import { type FileEntry, lookAt } from "./file-entry.ts";
import { childrenOf } from "./listing.ts";
import { holdOwn } from "./own-directory.ts";
import { removeIfEmpty } from "./put-back.ts";
import { untilOf } from "./quarantine.ts";

/** Something that a run moved to quarantine. */
export interface Quarantined {
  readonly entry: FileEntry;
  /** `undefined`: it has no name of ours. */
  readonly untilMs: number | undefined;
}

/**
 * Everything in quarantine, run by run. What a run left empty goes on the way, unless this is a plan.
 * Throws `refused` when our own directory may be somebody else's.
 */
export function* quarantined(root: string, mode: Mode): Generator<Quarantined> {
  const quarantine = holdOwn(root, ["quarantine"], false);
  if (quarantine === undefined) return;
  try {
    for (const { name } of childrenOf(quarantine)) {
      const held = holdOwn(root, ["quarantine", name], false);
      if (held === undefined) continue;
      try {
        yield* entriesOf(held);
      } finally {
        release(held);
      }
      if (mode === "apply") removeIfEmpty(within(quarantine, name));
    }
  } finally {
    release(quarantine);
  }
}

function* entriesOf(held: HeldDirectory): Generator<Quarantined> {
  for (const { name } of childrenOf(held)) {
    const entry = lookAt(within(held, name), `${held.path}/${name}`);
    if (entry !== undefined) yield { entry, untilMs: untilOf(name) };
  }
}
