import type { Condemned } from "./condemned.ts";
import { type PackedEntries, packEntries } from "./packed-entries.ts";

/** Entries with what was seen in those that go as a unit. */
export interface Parcel {
  readonly entries: PackedEntries;
  /** What was seen in all the units. */
  readonly contents: PackedEntries;
  readonly units: readonly (UnitPlace & {
    /** The globs of the names it may hold. */
    readonly holding: readonly string[];
  })[];
}

export interface UnitPlace {
  /** The place of its directory in the list of entries. */
  readonly of: number;
  /** Where its files are in `contents`. */
  readonly from: number;
  readonly to: number;
}

/** What is to go, to be given to somebody who has not seen it. */
export function parcelOf(condemned: readonly Condemned[]): Parcel {
  let to = 0;
  return {
    entries: packEntries(condemned.map(({ entry }) => entry)),
    contents: packEntries(condemned.flatMap(({ unit }) => unit?.files ?? [])),
    units: condemned.flatMap(({ unit }, of) => {
      const from = to;
      to += unit?.files.length ?? 0;
      return unit?.holding === undefined ? [] : [{ of, from, to, holding: unit.holding }];
    }),
  };
}
