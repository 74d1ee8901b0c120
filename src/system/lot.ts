import { deserialize, serialize } from "node:v8";
import { type LineWriter, lineWriter, type ManifestFacts } from "./line-writer.ts";
import { entriesIn, PackedEntry } from "./packed-entries.ts";
import { type Parcel, parcelOfSeen, type Seen } from "./parcel.ts";
import type { FindRule } from "./search.ts";
import type { LotShare, LotTold } from "./sweep-orders.ts";

/** All that is known of what is to go by a sweeper's own judgement. */
export interface LotContents extends Parcel {
  /** Of each entry, its rule's place in the list. */
  readonly rules: readonly number[];
}

/** Puts a lot together. `factsOf` a rule are those that the manifest tells of what it condemned. */
export function lotOf(
  seen: readonly Seen[],
  rules: readonly FindRule[],
  factsOf: (rule: number) => ManifestFacts,
): { readonly told: LotTold; readonly contents: LotContents } {
  const writers = new Map<number, LineWriter>();
  let lines = "";
  for (const { entry, rule, contents } of seen) {
    const write = writers.get(rule) ?? lineWriter(factsOf(rule));
    writers.set(rule, write);
    for (const file of contents?.files ?? []) lines += write(file);
    lines += write(entry);
  }
  const contents = { ...parcelOfSeen(seen, rules), rules: seen.map(({ rule }) => rule) };
  const shares = sharesOf(contents, seen.keys());
  return { told: { shares, lines: Buffer.from(lines), sealed: serialize(contents) }, contents };
}

/** The evidence of all that is in a lot, for whoever cannot leave it to the sweeper. */
export function unseal({ sealed }: LotTold): LotContents {
  return deserialize(sealed) as LotContents;
}

/** What limits count for some of a lot, by their places in it. */
export function sharesOf(lot: LotContents, places: Iterable<number>): readonly LotShare[] {
  const unitOf = new Map(lot.units.map((unit) => [unit.of, unit]));
  const shares = new Map<number, { rule: number; amount: number; bytes: number }>();
  for (const place of places) {
    const unit = unitOf.get(place);
    const files =
      unit === undefined
        ? [new PackedEntry(lot.entries, place)]
        : entriesIn(lot.contents, unit.from, unit.to);
    const rule = lot.rules[place] ?? -1;
    const share = shares.get(rule) ?? { rule, amount: 0, bytes: 0 };
    shares.set(rule, share);
    share.amount += files.length;
    for (const { freesBytes } of files) share.bytes += freesBytes;
  }
  return [...shares.values()];
}
