import { messageOf } from "../errors.ts";
import type { Effect } from "../report/report.ts";
import { amountOf, bytesOf, type Condemned } from "./condemned.ts";
import type { LineWriter } from "./line-writer.ts";
import type { Manifest } from "./manifest.ts";
import type { Quarantine } from "./quarantine.ts";

/** One of which it is known what to do, once it is written down. */
export interface Prepared<One> {
  readonly condemned: One;
  /** Its name in quarantine. */
  readonly moveTo?: string;
  /** Why it cannot be moved there. */
  readonly kept?: string;
}

/** What is to be done with each, and the lines that must be on disk before. */
export function prepare<One extends Condemned>(
  batch: readonly One[],
  manifest: Manifest,
  quarantine: Quarantine,
): { readonly prepared: readonly Prepared<One>[]; readonly lines: string } {
  let lines = "";
  const writers = new Map<string, LineWriter>();
  const prepared = batch.map((condemned): Prepared<One> => {
    const { entry, unit, reason, quarantineMs } = condemned;
    if (quarantineMs === undefined) {
      const write = writers.get(reason) ?? manifest.writer(reason);
      writers.set(reason, write);
      for (const file of unit?.files ?? []) lines += write(file);
      lines += write(entry);
      return { condemned };
    }
    try {
      const moveTo = quarantine.nameFor(entry, quarantineMs);
      const whole = unit && { freesBytes: bytesOf(condemned), files: amountOf(condemned) };
      lines += manifest.writer(reason, moveTo)(entry, whole);
      return { condemned, moveTo };
    } catch (error) {
      return { condemned, kept: messageOf(error) };
    }
  });
  return { prepared, lines };
}

/** Whether it goes as it was looked at, and nothing else is to be asked or done; its unit is of no more than `most` files. */
export function isSimple({ condemned, moveTo, kept }: Prepared<Condemned>, most: number): boolean {
  const { lastLook, unit } = condemned;
  if (moveTo !== undefined || kept !== undefined || lastLook !== undefined) return false;
  return unit === undefined || (unit.holding !== undefined && unit.files.length <= most);
}

/** What came of one. */
export interface Removed<One> {
  readonly condemned: One;
  readonly effect: Effect;
}

/** Of those of which it is known, what came of each. */
export function removedOf<One>(
  prepared: readonly Prepared<One>[],
  effects: ReadonlyMap<Prepared<One>, Effect> | undefined,
): Removed<One>[] {
  return prepared.flatMap((one) => {
    const effect = effects?.get(one);
    return effect === undefined ? [] : [{ condemned: one.condemned, effect }];
  });
}
