import { messageOf } from "../errors.ts";
import type { Effect } from "../report/report.ts";
import { amountOf, bytesOf, type Condemned } from "./condemned.ts";
import type { LineWriter } from "./line-writer.ts";
import type { Manifest } from "./manifest.ts";
import type { Quarantine } from "./quarantine.ts";
import type { LotAnswer } from "./sweep-orders.ts";

/** One of which it is known what to do, once it is written down. */
export interface Prepared {
  readonly condemned: Condemned;
  /** Its name in quarantine. */
  readonly moveTo?: string;
  /** Why it cannot be moved there. */
  readonly kept?: string;
}

/** What is to be done with each, and the lines that must be on disk before. */
export function prepare(
  batch: readonly Condemned[],
  manifest: Manifest,
  quarantine: Quarantine,
): { readonly prepared: readonly Prepared[]; readonly lines: string } {
  let lines = "";
  const writers = new Map<string, LineWriter>();
  const prepared = batch.map((condemned): Prepared => {
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
export function isSimple({ condemned, moveTo, kept }: Prepared, most: number): boolean {
  const { lastLook, unit } = condemned;
  if (moveTo !== undefined || kept !== undefined || lastLook !== undefined) return false;
  return unit === undefined || (unit.holding !== undefined && unit.files.length <= most);
}

/** What came of one. */
export interface Removed {
  readonly condemned: Condemned;
  readonly effect: Effect;
}

/** What came of some. */
export interface RemovedHandful {
  readonly removed: readonly Removed[];
  /** What came of those that a sweeper had judged. */
  readonly lot?: LotAnswer;
}

/** Of those of which it is known, what came of each. */
export function removedOf(
  prepared: readonly Prepared[],
  effects: ReadonlyMap<Prepared, Effect>,
): readonly Removed[] {
  return prepared.flatMap((one) => {
    const effect = effects.get(one);
    return effect === undefined ? [] : [{ condemned: one.condemned, effect }];
  });
}
