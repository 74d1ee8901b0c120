import { formatDuration } from "../config/duration.ts";
import type { Effect } from "../report/report.ts";
import type { Contents } from "./contents.ts";
import { firstNews } from "./evidence.ts";
import type { LimitedRule } from "./quota.ts";
import type { FileEntry } from "./walk.ts";

/** The files that were seen in a directory that goes as a unit, and how to look again. */
export interface Unit {
  readonly files: readonly FileEntry[];
  readonly look: () => Promise<Contents>;
}

/** What is in a directory, and the unit that it makes. */
export type UnitContents = Contents & { readonly unit: Unit };

/** A unit as `look` sees it now, and will see it again. */
export async function unitSeenBy(look: () => Promise<Contents>): Promise<UnitContents> {
  const contents = await look();
  return { ...contents, unit: { files: contents.files, look } };
}

/** What is to go, with the evidence that it may. */
export interface Condemned {
  readonly entry: FileEntry;
  /** Why it goes, for the manifest. */
  readonly reason: string;
  /** The rule that condemned it, whose share is limited. */
  readonly rule?: LimitedRule;
  /** Only for a directory. */
  readonly unit?: Unit;
  /** Moved to quarantine for so long instead of being removed. */
  readonly quarantineMs?: number | undefined;
  /** Asked right before the removal: a reason to keep it after all. */
  readonly lastLook?: () => string | undefined | Promise<string | undefined>;
}

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
export async function obstacleTo({ files, look }: Unit): Promise<string | undefined> {
  const now = await look();
  if (now.obstacle !== undefined) return now.obstacle;
  const news = firstNews(files, now.files);
  return news && `${news.path} in it is no longer what was looked at`;
}
