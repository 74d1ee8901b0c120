import type { ScheduleState } from "../flow/schedule-states.ts";
import type { Palette } from "../report/text.ts";
import { printable } from "../report/words.ts";
import type { Invocation } from "./invocation.ts";
import { withApplication } from "./open.ts";

/** `schedule`: every entry with its last run and its next ones, in its own time zone. */
export function showSchedule(invocation: Invocation): Promise<number> {
  const { terminal } = invocation;
  return withApplication(invocation, async (application) => {
    const schedule = await application.schedule();
    terminal.printJson({ version: 1, schedule });
    const lines = renderSchedule(schedule, terminal.out);
    terminal.print(lines.length === 0 ? "nothing is scheduled" : lines.join("\n"));
    return 0;
  });
}

export function renderSchedule(schedule: readonly ScheduleState[], palette: Palette): string[] {
  return schedule.map(({ name, cron, timezone, last, skipped, next }) => {
    const ran = renderLast(last, timezone);
    const missed = skipped && `skipped ${inZone(skipped.at, timezone)}: ${printable(skipped.reason)}`;
    const past = missed === undefined ? ran : `${ran}; ${missed}`;
    const future = next.map((time) => inZone(time, timezone)).join(", ");
    return `${palette.bold(name)}  ${cron}${timezone === undefined ? "" : ` (${timezone})`}  ${past}; next ${future}`;
  });
}

function renderLast(last: ScheduleState["last"], timezone: string | undefined): string {
  if (last === null) return "last run unknown, as Redis cannot be reached";
  return last === undefined ? "never run" : `last ${inZone(last.at, timezone)}: ${last.verdict}`;
}

function inZone(time: string, timezone: string | undefined): string {
  return new Date(time).toLocaleString("sv-SE", timezone === undefined ? {} : { timeZone: timezone });
}
