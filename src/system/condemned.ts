import { formatDuration } from "../config/duration.ts";
import type { Effect } from "../report/report.ts";
import type { Contents } from "./contents.ts";
import { firstNews } from "./evidence.ts";
import type { FileEntry } from "./file-entry.ts";
import type { LimitedRule } from "./quota.ts";

/** The files that were seen in a directory that goes as a unit, and how to look again. */
export interface Unit {
  readonly files: readonly FileEntry[];
  /** The globs of the names it may hold; `undefined`: any. */
  readonly holding: readonly string[] | undefined;
  readonly look: () => Generator<void, Contents>;
}

/** What is in a directory, and the unit that it makes. */
export type UnitContents = Contents & { readonly unit: Unit };

/** What is to go, with the evidence that it may. */
export interface Condemned {
  readonly entry: FileEntry;
  /** Why it goes, for the manifest. */
  readonly reason: string;
  /** The rule that condemned it, whose share is limited. */
  readonly rule?: LimitedRule | undefined;
  /** Only for a directory. */
  readonly unit?: Unit | undefined;
  /** Moved to quarantine for so long instead of being removed. */
  readonly quarantineMs?: number | undefined;
  /** Asked right before the removal: a reason to keep it after all. */
  readonly lastLook?: (() => string | undefined | Promise<string | undefined>) | undefined;
}

/** How many files go with it, as limits count them. */
export function amountOf({ unit }: Condemned): number {
  return unit === undefined ? 1 : unit.files.length;
}

/** What its removal gives back. */
export function bytesOf({ entry, unit }: Condemned): number {
  if (unit === undefined) return entry.freesBytes;
  return unit.files.reduce((sum, { freesBytes }) => sum + freesBytes, 0);
}

/** Something cannot be moved into quarantine: then it is kept, since to remove it is not what was asked for. */
export class CannotMove extends Error {}

/** What a plan says of it. What is moved frees nothing. */
export function planned({ quarantineMs }: Condemned, bytes: number): Effect {
  if (quarantineMs === undefined) return { outcome: "planned", bytes };
  return {
    outcome: "planned",
    bytes: 0,
    reason: `to be moved to quarantine for ${formatDuration(quarantineMs)}`,
  };
}

/** Why a directory cannot go as a unit any more: it holds something else than was seen in it. */
export function* obstacleTo({ files, look }: Unit): Generator<void, string | undefined> {
  const now = yield* look();
  if (now.obstacle !== undefined) return now.obstacle;
  const news = firstNews(files, now.files);
  return news && `${news.path} in it is no longer what was looked at`;
}
