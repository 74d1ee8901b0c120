import type { NodeCron } from "node-cron";
import { type ConfigPath, code, describeValue, type Finding, listOf, valueAt } from "./config-path.ts";
import { nearest } from "./similar.ts";
import { entriesAt } from "./unchecked.ts";

/** The jobs of the flow `clean` that come with the package. */
const CLEANING = ["clean-session-locks", "prune-redis", "clean-temp-files"];

/** node-cron lists every number of a range before it looks at their size: 0-599999999 would take all memory. */
const LONG_NUMBER = /\d{3}/;

/**
 * What is wrong with a schedule: an unknown job, an expression node-cron does not read, a date that never comes
 * (31 February, or the second Monday on the first of a month), an unknown time zone. node-cron is loaded only when there is a schedule: it costs 15 ms.
 */
export async function scheduleFindings(input: unknown): Promise<Finding[]> {
  const entries = entriesAt(input, ["schedule"]);
  if (entries.length === 0) return [];
  const { validateDetailed, createTask } = await import("node-cron");
  const hasOwnJobs = entriesAt(input, ["jobs"]).length > 0; // then the names are known only with their modules
  return entries.flatMap(({ path, entry }) => {
    const findings: Finding[] = [];
    const cron = valueAt(entry, ["cron"]);
    const timezone = valueAt(entry, ["timezone"]);
    if (!hasOwnJobs) findings.push(...unknownJobs(path, entry));
    if (typeof cron === "string" && cron !== "") {
      const errors = LONG_NUMBER.test(cron)
        ? ["a number in it has at most two digits"]
        : validateDetailed(cron).errors.map((error) => `${error.field}: ${error.message}`);
      if (errors.length === 0 && !everComes(cron, createTask))
        errors.push("no day of the next hundred years is such a day");
      if (errors.length > 0) {
        findings.push({
          path: [...path, "cron"],
          message: `expected a cron expression, got ${code(cron)}: ${errors.join("; ")}`,
          hint: 'minute hour day month weekday, such as "5 0 * * *" (00:05 every day)',
        });
      }
    }
    if (typeof timezone === "string" && timezone !== "" && !isTimeZone(timezone)) {
      findings.push({
        path: [...path, "timezone"],
        message: `expected a time zone of the IANA database, got ${code(timezone)}`,
        hint: "such as UTC or Europe/Berlin",
      });
    }
    return findings;
  });
}

/** Of a date that never comes node-cron knows only when it has looked through a hundred years: 10 ms, else below one. */
function everComes(cron: string, createTask: NodeCron["createTask"]): boolean {
  const task = createTask(cron, () => undefined, { timezone: "UTC" }); // there, every hour of a day comes
  try {
    return task.getNextRuns(1).length > 0;
  } catch {
    return false;
  } finally {
    void task.destroy(); // it was never started
  }
}

function unknownJobs(path: ConfigPath, entry: unknown): Finding[] {
  return entriesAt(entry, ["jobs"]).flatMap(({ path: [, index = 0], entry: job }) => {
    if (typeof job !== "string" || CLEANING.includes(job)) return [];
    const meant = nearest(job, CLEANING);
    const message = `expected ${listOf(CLEANING.map(describeValue), "or")}, got ${describeValue(job)}`;
    return [
      {
        path: [...path, "jobs", index],
        message,
        ...(meant !== undefined && { hint: `did you mean ${code(meant)}?` }),
      },
    ];
  });
}

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return true;
  } catch {
    return false;
  }
}
