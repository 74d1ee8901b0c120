import { describe, expect, test } from "vitest";
import { assemble, type RunFacts, withoutRunning } from "../../src/report/assemble.ts";
import { exitCodeOfRun } from "../../src/report/exit-code.ts";
import { JobReporter, type JobResult } from "../../src/report/job-reporter.ts";
import type { JobStatus, System } from "../../src/report/report.ts";
import { parseReport } from "../../src/report/report-schema.ts";

const FACTS: RunFacts = {
  run: "run-1",
  flow: "shutdown",
  mode: "apply",
  engine: "inline",
  app: "scraper",
  startedAt: "2026-01-01T00:00:00.000Z",
  durationMs: 1_500,
  hosts: ["h1"],
  unreachable: [],
  nextSteps: ["./start.sh"],
  cancelled: false,
};

const job = (status: JobStatus): JobResult => withoutRunning("any", "h1", status, "why");
const refused = (): JobResult => ({ ...job("partial"), refused: true });

test.each([
  { jobs: [job("done")], verdict: "done", exit: 0 },
  { jobs: [job("done"), job("done")], verdict: "done", exit: 0 },
  { jobs: [job("done"), job("skipped")], verdict: "done", exit: 0 },
  { jobs: [job("skipped")], verdict: "partial", exit: 3 },
  { jobs: [job("missing"), job("skipped")], verdict: "partial", exit: 3 },
  { jobs: [], verdict: "done", exit: 0 },
  { jobs: [job("done"), job("partial")], verdict: "partial", exit: 3 },
  { jobs: [job("partial")], verdict: "partial", exit: 3 },
  { jobs: [job("done"), job("failed")], verdict: "partial", exit: 3 },
  { jobs: [job("done"), job("missing")], verdict: "partial", exit: 3 },
  { jobs: [job("partial"), job("failed")], verdict: "partial", exit: 3 },
  { jobs: [job("failed")], verdict: "failed", exit: 1 },
  { jobs: [job("failed"), job("missing")], verdict: "failed", exit: 1 },
  { jobs: [job("failed"), job("skipped")], verdict: "failed", exit: 1 },
  { jobs: [job("done"), refused()], verdict: "refused", exit: 4 },
  { jobs: [job("failed"), refused()], verdict: "refused", exit: 4 },
])(
  "the verdict on $jobs.0.report.status, $jobs.1.report.status is $verdict: exit $exit",
  ({ jobs, verdict, exit }) => {
    const report = assemble(FACTS, jobs);
    expect(report.verdict).toBe(verdict);
    expect(exitCodeOfRun(report)).toBe(exit);
  },
);

test.each([
  { when: "it was cancelled", facts: { cancelled: true }, jobs: [job("done")], verdict: "partial" },
  { when: "a host was unreachable", facts: { unreachable: ["h2"] }, jobs: [job("done")], verdict: "partial" },
  {
    when: "it was cancelled before any job",
    facts: { cancelled: true },
    jobs: [job("skipped")],
    verdict: "partial",
  },
  {
    when: "a host was unreachable, and nothing came back",
    facts: { unreachable: ["h1"] },
    jobs: [job("missing")],
    verdict: "partial",
  },
])("the verdict when $when is $verdict", ({ facts, jobs, verdict }) => {
  expect(assemble({ ...FACTS, ...facts }, jobs).verdict).toBe(verdict);
});

test("a report has exactly the fields that `--json` promises, in their order", () => {
  const report = assemble(FACTS, [job("done")]);
  expect(Object.keys(report)).toEqual([
    ...["version", "run", "flow", "mode", "engine", "app", "verdict", "startedAt", "durationMs", "hosts"],
    ...["unreachable", "jobs", "system", "nextSteps"],
  ]);
  expect(Object.keys(report.jobs[0] ?? {})).toEqual([
    ...["job", "host", "status", "reason", "durationMs", "totals", "items", "truncated"],
  ]);
  expect(Object.keys(report.jobs[0]?.totals ?? {})).toEqual([
    ...["done", "planned", "kept", "changed", "failed", "bytes"],
  ]);
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
});

describe("the system", () => {
  const seenBy = (host: string, services: System["services"]): JobResult => {
    const report = new JobReporter("check-system", host);
    report.saw({
      services,
      redis: { reachable: true, usedMemoryBytes: 1 },
      locks: [],
      session: null,
      disk: { freeBytes: 1, totalBytes: 2 },
    });
    return report.finish(0);
  };

  test("is null when nobody looked", () => {
    expect(assemble(FACTS, [job("done")]).system).toBeNull();
  });

  test("of one host is what it saw", () => {
    const services = [{ name: "beat", running: [{ pid: 1 }] }];
    expect(assemble(FACTS, [job("done"), seenBy("h1", services)]).system?.services).toEqual(services);
  });

  test("of several hosts has each process with its host, where nothing runs, and where nobody looked", () => {
    const hosts = ["h1", "h2", "h3"];
    const { system } = assemble({ ...FACTS, hosts, unreachable: ["h3"] }, [
      seenBy("h1", [{ name: "beat", running: [{ pid: 1 }] }]),
      seenBy("h2", [
        { name: "beat", running: [] },
        { name: "workers", running: [{ pid: 1, stray: true }] },
      ]),
      withoutRunning("check-system", "h3", "missing", "no live worker"),
    ]);
    const unknownOn = ["h3"];
    expect(system?.services).toEqual([
      { name: "beat", running: [{ pid: 1, host: "h1" }], stoppedOn: ["h2"], unknownOn },
      { name: "workers", running: [{ pid: 1, stray: true, host: "h2" }], stoppedOn: [], unknownOn },
    ]);
    const { redis, locks, session, disk, host, others } = system ?? {};
    expect(host).toBe("h1");
    expect(others).toEqual([{ host: "h2", redis, locks, session, disk }]);
  });

  test("of several hosts of which one looked is told as that one's", () => {
    const { system } = assemble({ ...FACTS, hosts: ["h1", "h2"], unreachable: ["h1"] }, [
      seenBy("h2", [{ name: "beat", running: [] }]),
    ]);
    expect(system).toMatchObject({
      services: [{ name: "beat", running: [], stoppedOn: ["h2"], unknownOn: ["h1"] }],
      ...{ host: "h2", others: [] },
    });
  });

  test("of several hosts comes back from Redis as it was", () => {
    const hosts = ["h1", "h2", "h3"];
    const services = [{ name: "beat", running: [] }];
    const report = assemble({ ...FACTS, hosts }, [seenBy("h1", services), seenBy("h2", services)]);
    expect(parseReport(JSON.stringify(report))).toEqual(report);
  });
});
