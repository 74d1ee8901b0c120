import type { Effect } from "../report/report.ts";
import type { ManifestFacts } from "./line-writer.ts";
import type { PackedEntries } from "./packed-entries.ts";
import type { Parcel, UnitPlace } from "./parcel.ts";
import type { FindRule } from "./search.ts";

/* What is said between a job and its sweepers. */

/** What a sweeper is to know before all else. */
export interface SweepOrder {
  /** A real path. */
  readonly root: string;
  readonly rules: readonly FindRule[];
  readonly preserve: readonly string[] | undefined;
  readonly policy?: PolicyOrder | undefined;
}

/** What a judge must know, and what is written down of what he condemns. */
export interface PolicyOrder {
  readonly facts: unknown;
  readonly manifest: Pick<ManifestFacts, "job" | "host">;
  /** Why what a rule means goes, by the rule's place in the list. */
  readonly reasons: readonly string[];
}

export type Order = WalkOrder | RemoveOrder | LotOrder;

export interface WalkOrder {
  /** Directories to be walked. */
  readonly walk: readonly string[];
  /** Whoever has a policy is to judge by it: what time it is, and how many of what stays are to be named. */
  readonly judge?: { readonly nowMs: number; readonly names: number } | undefined;
}

export interface WalkAnswer {
  /** What the sweeper judged by itself. All else that it found: */
  readonly judged: Judged | undefined;
  readonly entries: PackedEntries;
  /** Of each entry, its rule's place in the list. */
  readonly rules: readonly number[];
  /** What there is in all those that go as a unit. */
  readonly contents: PackedEntries;
  /** Of each of them its place in the list of entries, and where its files are in `contents`. */
  readonly units: readonly (UnitPlace & { readonly obstacle: string | undefined })[];
  readonly kept: readonly {
    readonly rule: number;
    readonly path: string;
    readonly kept: string;
    readonly preserved: boolean;
  }[];
  /** Directories that are still to be walked. */
  readonly pending: readonly string[];
  /** Directories too large for one answer: whoever asked must walk them. */
  readonly large: readonly string[];
}

/** What a sweeper judged by itself. */
export interface Judged {
  /** How many candidates each rule had, by its place in the list. */
  readonly candidates: readonly number[];
  /** What is to go. */
  readonly lot: LotTold | undefined;
  readonly staying: Staying;
}

export interface Staying {
  readonly amount: number;
  /** As many of them as were asked for. */
  readonly named: readonly { readonly path: string; readonly reason: string }[];
}

export interface RemoveOrder {
  /** What was found in a walk that is `REMEMBERED`, by its number (the first is 0), or brought along. */
  readonly parcel: number | Parcel;
  /** Which of its entries are to go. */
  readonly remove: readonly number[];
}

export interface RemoveAnswer {
  /** What came of each that did not just go, by its place in the parcel. */
  readonly others: ReadonlyMap<number, Effect>;
}

export interface LotOrder {
  /** The lot of a walk that is `REMEMBERED`, by the walk's number: all that is in it is to go. */
  readonly lot: number;
  /** How many of what went are to be named. */
  readonly names: number;
}

/** What came of a lot. */
export interface LotAnswer {
  readonly done: number;
  readonly bytes: number;
  /** Of those that are done, as many as were asked for. */
  readonly named: readonly string[];
  /** What did not just go. */
  readonly others: readonly { readonly path: string; readonly effect: Effect }[];
  /** What limits had counted for those of which nothing was removed. */
  readonly untouched: readonly LotShare[];
}

/** What a sweeper says of what is to go by its own judgement: as much as limits and the manifest ask for. */
export interface LotTold {
  /** One for each rule that condemned something. */
  readonly shares: readonly LotShare[];
  /** For the manifest. */
  readonly lines: Uint8Array;
  /** See `unseal`. */
  readonly sealed: Uint8Array;
}

/** How many files a rule condemned, and what they free. */
export interface LotShare {
  /** Its place in the list. */
  readonly rule: number;
  readonly amount: number;
  readonly bytes: number;
}
