import { createTask, type Logger, type ScheduledTask } from "node-cron";
import type { ScheduleEntry } from "../config/config.ts";

/** node-cron's own log lines say nothing that ours do not. */
const SILENT: Logger = { info() {}, warn() {}, error() {}, debug() {} };

const MINUTE_MS = 60_000;

/** How far back a missed slot is looked for. */
export const LOOK_BACK_MS = 7 * 86_400_000;

/**
 * The ticker of an entry: calls `act` with each slot, once it is started. Where the process was held up, or the clock
 * was set, it comes late, and of several the newest only. The caller destroys it.
 */
export function tickerOf(
  { name, cron, timezone, maxRandomDelayMs }: ScheduleEntry,
  act: (slot: Date) => unknown,
): ScheduledTask {
  return createTask(cron, ({ date }) => act(date), {
    name,
    logger: SILENT,
    missedExecutionTolerance: LOOK_BACK_MS, // else one that comes a second late is left out
    ...(timezone !== undefined && { timezone }),
    ...(maxRandomDelayMs > 0 && { maxRandomDelay: maxRandomDelayMs }),
  });
}

/** The next slots of an entry. */
export async function nextSlotsOf(entry: ScheduleEntry, count: number): Promise<Date[]> {
  const task = tickerOf(entry, () => undefined);
  const next = task.getNextRuns(count);
  await task.destroy();
  return next;
}

/** The newest slot of an entry from `earliestMs` to `latestMs`, if there is one. */
export async function lastSlotOf(
  entry: ScheduleEntry,
  earliestMs: number,
  latestMs: number,
): Promise<Date | undefined> {
  // a second of a minute can match only where its minute does: so a week of minutes is looked at, not of seconds
  const fields = entry.cron.trim().split(/\s+/);
  const hasSeconds = fields.length > 5;
  const minutes = tickerOf({ ...entry, cron: fields.slice(-5).join(" ") }, () => undefined);
  const seconds = tickerOf(entry, () => undefined);
  try {
    for (let ms = floorTo(MINUTE_MS, latestMs); ms > earliestMs - MINUTE_MS; ms -= MINUTE_MS) {
      if (!minutes.match(new Date(ms))) continue;
      for (let second = hasSeconds ? 59 : 0; second >= 0; second -= 1) {
        const slot = new Date(ms + second * 1_000);
        const isInside = slot.getTime() >= earliestMs && slot.getTime() <= latestMs;
        if (isInside && seconds.match(slot)) return slot;
      }
    }
    return undefined;
  } finally {
    await Promise.all([minutes.destroy(), seconds.destroy()]);
  }
}

function floorTo(stepMs: number, ms: number): number {
  return Math.floor(ms / stepMs) * stepMs;
}
