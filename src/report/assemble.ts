import type { JobResult } from "./job-reporter.ts";
import { type JobReport, type JobStatus, noTotals, type RunReport, type Verdict } from "./report.ts";
import { systemOf } from "./system-of.ts";

/** What is known of a run apart from what its jobs did. */
export type RunFacts = Omit<RunReport, "version" | "verdict" | "jobs" | "system"> & {
  readonly cancelled: boolean;
};

/** Puts together what the jobs of a run said. */
export function assemble({ cancelled, ...facts }: RunFacts, told: readonly JobResult[]): RunReport {
  const results = facts.mode === "apply" ? told.map((result) => heldAgainst(result, told)) : told;
  const { run, flow, mode, engine, app, startedAt, durationMs, hosts, unreachable, nextSteps } = facts;
  return {
    version: 1,
    run,
    flow,
    mode,
    engine,
    app,
    verdict: verdictOf(results, cancelled || unreachable.length > 0),
    startedAt,
    durationMs: Math.max(0, Math.round(durationMs)), // clocks differ, and are set back
    hosts,
    unreachable,
    jobs: results.map(({ report }) => report),
    system: systemOf(results, hosts),
    nextSteps,
  };
}

/** After a stop, a service that `check-system` sees running again was not stopped, whatever was done to it. */
function heldAgainst(result: JobResult, all: readonly JobResult[]): JobResult {
  const { report, system } = result;
  const wasToStop = all.some(
    (other) => other.report.job === "stop-services" && other.report.host === report.host,
  );
  const running = system?.services.filter((service) => service.running.length > 0) ?? [];
  if (!wasToStop || running.length === 0 || report.status !== "done") return result;
  const names = running.map(({ name, running: [first] }) => `${name} (pid ${first?.pid})`);
  return {
    ...result,
    report: { ...report, status: "partial", reason: `still running: ${names.join(", ")}` },
  };
}

/** The result of a job that did not run, or did not come back. */
export function withoutRunning(job: string, host: string, status: JobStatus, reason: string): JobResult {
  return {
    report: { job, host, status, reason, durationMs: 0, totals: noTotals(), items: [], truncated: false },
  };
}

/** A skipped job spoils nothing: its reason is in the report. */
function verdictOf(results: readonly JobResult[], isIncomplete: boolean): Verdict {
  if (results.some(({ refused }) => refused)) return "refused";
  const counted = results.filter(({ report }) => report.status !== "skipped");
  const hasFailed = counted.some(({ report }) => report.status === "failed");
  if (hasFailed && counted.every(({ report }) => hasNothing(report))) return "failed";
  if (results.length > 0 && counted.length === 0) return "partial"; // nothing of what was asked for was done
  if (isIncomplete || counted.some(({ report }) => report.status !== "done")) return "partial";
  return "done";
}

function hasNothing({ status, totals }: JobReport): boolean {
  return (status === "failed" || status === "missing") && totals.done === 0;
}
