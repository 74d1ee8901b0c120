import { deserialize, serialize } from "node:v8";
import { type LineWriter, lineWriter, type ManifestFacts } from "./line-writer.ts";
import type { PackedEntries } from "./packed-entries.ts";
import { entriesIn, PackedEntry } from "./packed-entries.ts";
import { type Parcel, parcelOfSeen, type Seen } from "./parcel.ts";
import type { FindRule } from "./search.ts";
import type { LotShare, LotTold } from "./sweep-orders.ts";

/** All that is known of what is to go by a sweeper's own judgement. */
export interface LotContents extends Parcel {
  /** Of each entry, its rule's place in the list. */
  readonly rules: readonly number[];
}

/** Puts a lot together. `factsOf` a rule are those that the manifest tells of what it condemned. `undefined`: there is nothing in it. */
export function lotOf(
  seen: readonly Seen[],
  rules: readonly FindRule[],
  factsOf: (rule: number) => ManifestFacts,
): { readonly told: LotTold; readonly contents: LotContents } | undefined {
  if (seen.length === 0) return undefined;
  const writers = new Map<number, LineWriter>();
  const shares = new Map<number, { rule: number; amount: number; bytes: number }>();
  let lines = "";
  for (const { entry, rule, contents } of seen) {
    const write = writers.get(rule) ?? lineWriter(factsOf(rule));
    writers.set(rule, write);
    const share = shares.get(rule) ?? { rule, amount: 0, bytes: 0 };
    shares.set(rule, share);
    for (const file of contents?.files ?? [entry]) {
      share.amount += 1;
      share.bytes += file.freesBytes;
      lines += write(file);
    }
    if (contents !== undefined) lines += write(entry);
  }
  const contents = { ...parcelOfSeen(seen, rules), rules: seen.map(({ rule }) => rule) };
  const told = { shares: [...shares.values()], lines: Buffer.from(lines), sealed: serialize(contents) };
  return { told, contents };
}

/** The evidence of all that is in a lot, for whoever cannot leave it to the sweeper. */
export function unseal({ sealed }: LotTold): LotContents {
  return deserialize(sealed) as LotContents;
}

/** What limits count for one of a lot. */
export function shareOf({ entries, contents, units, rules }: LotContents, index: number): LotShare {
  const rule = rules[index] ?? -1;
  const unit = units.find(({ of }) => of === index);
  const files: readonly PackedEntry[] =
    unit === undefined ? [new PackedEntry(entries, index)] : entriesIn(contents, unit.from, unit.to);
  return { rule, amount: files.length, bytes: sizeOf(files) };
}

function sizeOf(files: readonly PackedEntry[]): number {
  return files.reduce((sum, { freesBytes }) => sum + freesBytes, 0);
}

/** What all of a lot frees. */
export function bytesOfLot({ entries, contents }: LotContents): number {
  const all = (among: PackedEntries) => sizeOf(entriesIn(among));
  return all(entries) + all(contents); // a directory frees nothing itself
}
