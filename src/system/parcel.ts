import type { Condemned } from "./condemned.ts";
import type { Contents } from "./contents.ts";
import type { FileEntry } from "./file-entry.ts";
import { type PackedEntries, packEntries } from "./packed-entries.ts";
import type { FindRule } from "./search.ts";

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

/** What was seen, and the place of its rule in the list. */
export interface Seen {
  readonly entry: FileEntry;
  readonly rule: number;
  /** Of what goes as a unit. */
  readonly contents: Contents | undefined;
}

/** What was seen, by whoever is to remove it. */
export function parcelOfSeen(seen: readonly Seen[], rules: readonly FindRule[]): Parcel {
  const inUnits: FileEntry[] = [];
  const units = seen.flatMap(({ rule, contents }, of) => {
    if (contents === undefined) return [];
    const from = inUnits.length;
    inUnits.push(...contents.files);
    return [{ of, from, to: inUnits.length, holding: rules[rule]?.holding ?? [] }];
  });
  return { entries: packEntries(seen.map(({ entry }) => entry)), contents: packEntries(inUnits), units };
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
