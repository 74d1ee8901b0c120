import type { Config, ScheduleEntry } from "../config/config.ts";
import { nextSlotsOf } from "./cron.ts";
import { loadReport } from "./history.ts";
import type { Queues } from "./queues.ts";
import { type LastRun, lastRunOf, lastSkipOf, type SkippedSlot } from "./slots.ts";

/** An entry with its past and its future. */
export interface ScheduleState {
  readonly name: string;
  readonly cron: string;
  /** `undefined`: the time zone of this process. */
  readonly timezone: string | undefined;
  /** `undefined`: there was none; `null`: Redis, which would know, cannot be reached. */
  readonly last: (LastRun & { readonly verdict: string }) | null | undefined;
  /** The newest slot that had no run of its own, and why. */
  readonly skipped: SkippedSlot | undefined;
  /** ISO 8601. */
  readonly next: readonly string[];
}

/** What the schedule has done and will do. */
export function scheduleStates(config: Config, queues: Queues | undefined): Promise<ScheduleState[]> {
  return Promise.all(
    config.schedule.map(async (entry) => {
      const { name, cron, timezone } = entry;
      const next = (await nextSlotsOf(entry, 3)).map((date) => date.toISOString());
      const last = queues === undefined ? null : await lastOf(entry, queues);
      const skipped = queues && (await lastSkipOf(queues, name));
      return { name, cron, timezone, last, skipped, next };
    }),
  );
}

async function lastOf({ name }: ScheduleEntry, queues: Queues): Promise<ScheduleState["last"]> {
  const last = await lastRunOf(queues, name);
  if (last === undefined) return undefined;
  const report = await loadReport(queues, last.run);
  if (report !== undefined) return { ...last, verdict: report.verdict };
  const job = await queues.runs.getJob(last.run);
  return job && { ...last, verdict: job.finishedOn === undefined ? "running" : "failed" };
}
