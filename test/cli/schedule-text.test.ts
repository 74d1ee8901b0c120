import { expect, test } from "vitest";
import { renderSchedule } from "../../src/cli/schedule.ts";

const plain = (text: string) => text;
const palette = { bold: plain, dim: plain, red: plain, yellow: plain, green: plain };

test("an entry is told in its own time zone: what it did, what it skipped and why, and its next three times", () => {
  const [line] = renderSchedule(
    [
      {
        name: "india",
        cron: "30 2 * * *",
        timezone: "Asia/Kolkata",
        last: { run: "run-india-20260102t210000z", at: "2026-01-02T21:00:00.000Z", verdict: "done" },
        skipped: { at: "2026-01-01T21:00:00.000Z", reason: "run-x was still going on", before: [] },
        next: ["2026-01-03T21:00:00.000Z", "2026-01-04T21:00:00.000Z", "2026-01-05T21:00:00.000Z"],
      },
    ],
    palette,
  );
  expect(line).toBe(
    "india  30 2 * * * (Asia/Kolkata)  last 2026-01-03 02:30:00: done; " +
      "skipped 2026-01-02 02:30:00: run-x was still going on; " +
      "next 2026-01-04 02:30:00, 2026-01-05 02:30:00, 2026-01-06 02:30:00",
  );
});
