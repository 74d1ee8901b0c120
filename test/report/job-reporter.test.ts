import { describe, expect, test } from "vitest";
import { ITEMS_KEPT, JobReporter, type Progress } from "../../src/report/job-reporter.ts";
import { outcomes } from "../../src/report/report.ts";

const reporter = () => new JobReporter("clean-temp-files", "h1");

test("a job that told nothing is done, and empty", () => {
  const report = reporter();
  expect(report.isEmpty).toBe(true);
  expect(report.finish(12)).toEqual({
    report: {
      job: "clean-temp-files",
      host: "h1",
      status: "done",
      durationMs: 12,
      totals: { done: 0, planned: 0, kept: 0, changed: 0, failed: 0, bytes: 0 },
      items: [],
      truncated: false,
    },
  });
});

test("every target is an item with its outcome and reason, and is counted", () => {
  const report = reporter();
  report.kept("a", "only 1m old");
  report.add("b", { outcome: "done", bytes: 10 });
  report.add("c", { outcome: "planned", bytes: 5, reason: "stale" });
  report.add("d", { outcome: "changed", reason: "it moved" });
  report.add("e", { outcome: "failed", reason: "EACCES" });
  expect(report.isEmpty).toBe(false);
  const { items, totals } = report.finish(0).report;
  expect(items).toEqual([
    { target: "a", outcome: "kept", reason: "only 1m old" },
    { target: "b", outcome: "done" },
    { target: "c", outcome: "planned", reason: "stale" },
    { target: "d", outcome: "changed", reason: "it moved" },
    { target: "e", outcome: "failed", reason: "EACCES" },
  ]);
  expect(totals).toEqual({ done: 1, planned: 1, kept: 1, changed: 1, failed: 1, bytes: 15 });
});

describe("of many targets", () => {
  test.each([
    { amount: ITEMS_KEPT - 1, truncated: false },
    { amount: ITEMS_KEPT, truncated: false },
    { amount: ITEMS_KEPT + 1, truncated: true },
  ])("$amount of one outcome: truncated $truncated, all counted", ({ amount, truncated }) => {
    const report = reporter();
    for (let i = 0; i < amount; i += 1) report.add(`${i}`, { outcome: "done", bytes: 2 });
    const { report: finished } = report.finish(0);
    expect(finished.items).toHaveLength(Math.min(amount, 1_000));
    expect(finished).toMatchObject({ truncated, totals: { done: amount, bytes: 2 * amount } });
  });

  test("the first 1,000 of each outcome are kept: many of one leave room for the others", () => {
    const report = reporter();
    for (let i = 0; i < 5_000; i += 1) report.kept(`${i}`, "young");
    report.add("last", { outcome: "failed", reason: "EACCES" });
    const { items, totals, truncated } = report.finish(0).report;
    expect(items).toHaveLength(1_001);
    expect(items.at(-1)?.target).toBe("last");
    expect([totals.kept, totals.failed, truncated]).toEqual([5_000, 1, true]);
    expect(outcomes).toHaveLength(5);
  });
});

test("keys are counted page by page, and share one item per reason", () => {
  const report = reporter();
  const old = { target: "keys:* (db 0)", outcome: "done", reason: "older than 8m" } as const;
  report.countKeys(old, 40, 400);
  report.countKeys({ ...old, outcome: "kept", reason: "younger than 8m" }, 1);
  report.countKeys(old, 2, 20);
  expect(report.isEmpty).toBe(false);
  const { items, totals } = report.finish(0).report;
  expect(items).toEqual([
    { target: "keys:* (db 0)", outcome: "done", reason: "42 keys older than 8m" },
    { target: "keys:* (db 0)", outcome: "kept", reason: "1 key younger than 8m" },
  ]);
  expect(totals).toMatchObject({ done: 42, kept: 1, bytes: 420 });
});

describe("the status", () => {
  test.each([
    { of: "a job with nothing but success", tell: () => {}, status: "done", reason: undefined },
    {
      of: "a job that kept or found something changed",
      tell: (report: JobReporter) => {
        report.kept("a", "young");
        report.add("b", { outcome: "changed", reason: "it moved" });
      },
      status: "done",
      reason: undefined,
    },
    {
      of: "a job of which one target failed",
      tell: (report: JobReporter) => report.add("a", { outcome: "failed", reason: "EACCES" }),
      status: "partial",
      reason: undefined,
    },
    {
      of: "a job that did not reach its goal",
      tell: (report: JobReporter) => {
        report.incomplete("a stray is running");
        report.incomplete("so is another");
      },
      status: "partial",
      reason: "a stray is running; so is another",
    },
  ])("of $of is $status", ({ tell, status, reason }) => {
    const report = reporter();
    tell(report);
    const finished = report.finish(0).report;
    expect([finished.status, finished.reason]).toEqual([status, reason]);
  });

  test("that an ending names wins, its reason comes first, and a refusal is marked", () => {
    const report = reporter();
    report.incomplete("half of it");
    const result = report.finish(0, { status: "failed", reason: "a limit", refused: true });
    expect(result.report).toMatchObject({ status: "failed", reason: "a limit; half of it" });
    expect(result.refused).toBe(true);
    expect(reporter().finish(0)).not.toHaveProperty("refused");
  });
});

test("whoever watches is told at every step, and what is waited for", () => {
  const seen: Progress[] = [];
  const report = new JobReporter("stop-services", "h1", (progress) =>
    seen.push({ ...progress, totals: { ...progress.totals } }),
  );
  report.kept("a", "young");
  report.countKeys({ target: "keys:* (db 0)", outcome: "done", reason: "old" }, 5, 50);
  report.waitingFor("workers (pid 7)");
  expect(seen.map(({ totals, waitingFor }) => [totals.kept, totals.done, waitingFor])).toEqual([
    [1, 0, undefined],
    [1, 5, undefined],
    [1, 5, "workers (pid 7)"],
  ]);
});

test("a finished report does not change any more", () => {
  const report = reporter();
  report.kept("a", "young");
  const { report: finished } = report.finish(0);
  report.kept("b", "young");
  expect(finished.items).toHaveLength(1);
  expect(finished.totals.kept).toBe(1);
});
