import { ITEMS_KEPT, type JobResult } from "./job-reporter.ts";
import type { Item, Outcome } from "./report.ts";

/** How many items per outcome a whole run keeps, and the least that every job may. */
const ITEMS_PER_RUN = 20_000;
const LEAST = 10;

/** A result with the items that its share of the run's report has room for, when so many jobs are in it. */
export function withItems(result: JobResult, jobs: number): JobResult {
  const share = Math.min(ITEMS_KEPT, Math.max(LEAST, Math.floor(ITEMS_PER_RUN / jobs)));
  const { report } = result;
  const counts = new Map<Outcome, number>();
  const items: Item[] = [];
  for (const item of report.items) {
    const count = (counts.get(item.outcome) ?? 0) + 1;
    counts.set(item.outcome, count);
    if (count <= share) items.push(item);
  }
  if (items.length === report.items.length) return result;
  return { ...result, report: { ...report, items, truncated: true } };
}
