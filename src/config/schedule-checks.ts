import { code, type Finding, valueAt } from "./config-path.ts";
import { entriesAt } from "./unchecked.ts";

/**
 * What is wrong with the times of a schedule: an expression node-cron does not read, a date that never comes
 * (31 February), an unknown time zone. node-cron is loaded only when there is a schedule: it costs 15 ms.
 */
export async function scheduleFindings(input: unknown): Promise<Finding[]> {
  const entries = entriesAt(input, ["schedule"]);
  if (entries.length === 0) return [];
  const { validateDetailed } = await import("node-cron");
  return entries.flatMap(({ path, entry }) => {
    const findings: Finding[] = [];
    const cron = valueAt(entry, ["cron"]);
    const timezone = valueAt(entry, ["timezone"]);
    if (typeof cron === "string" && cron !== "") {
      const errors = validateDetailed(cron).errors.map((error) => `${error.field}: ${error.message}`);
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

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return true;
  } catch {
    return false;
  }
}
