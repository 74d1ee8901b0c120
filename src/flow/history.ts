import { flowNames } from "../../jobs/flows.ts";
import type { RunReport } from "../report/report.ts";
import { parseReport } from "../report/report-schema.ts";
import { HISTORY_COUNT, HISTORY_MS, type Queues } from "./queues.ts";

/** A finished run as the history lists it. */
export type RunSummary = Pick<
  RunReport,
  "run" | "flow" | "mode" | "engine" | "verdict" | "startedAt" | "durationMs" | "hosts"
>;

/** Runs by hand, and those of the schedule, which would crowd them out. */
const HISTORIES = [...flowNames, "scheduled"];

/**
 * Keeps a report for 30 days, and the newest 200 of each flow; those of the schedule count apart. The first report of
 * a run stays: a worker that was killed after saving finds it and does not write another.
 */
export async function saveReport(queues: Queues, report: RunReport, schedule?: string): Promise<RunReport> {
  const { redis } = queues;
  const key = reportKey(queues, report.run);
  const isFirst = await redis.set(key, JSON.stringify(report), "PX", HISTORY_MS, "NX");
  const kept = isFirst === null ? ((await loadReport(queues, report.run)) ?? report) : report;
  const history = historyKey(queues, schedule === undefined ? report.flow : "scheduled");
  const startedAtMs = Date.parse(kept.startedAt);
  await redis.zadd(history, startedAtMs, kept.run);
  await redis.zremrangebyscore(history, "-inf", startedAtMs - HISTORY_MS);
  const dropped = await redis.zrange(history, "0", String(-HISTORY_COUNT - 1));
  if (dropped.length > 0) {
    await redis
      .multi()
      .del(dropped.map((run) => reportKey(queues, run)))
      .zrem(history, dropped)
      .exec();
  }
  return kept;
}

/** The report of a finished run, or `undefined` when there is none. */
export async function loadReport(queues: Queues, run: string): Promise<RunReport | undefined> {
  const text = await queues.redis.get(reportKey(queues, run));
  return text === null ? undefined : parseReport(text);
}

/** The newest finished runs of all flows, newest first. */
export async function listRuns(queues: Queues, count: number): Promise<RunSummary[]> {
  const { redis } = queues;
  const lists = await Promise.all(
    HISTORIES.map((name) => redis.zrange(historyKey(queues, name), "0", String(count - 1), "REV")),
  );
  const runs = lists.flat();
  if (runs.length === 0) return [];
  const texts = await redis.mget(runs.map((run) => reportKey(queues, run)));
  return texts
    .flatMap((text) => {
      const report = text === null ? undefined : parseReport(text);
      return report === undefined ? [] : [summaryOf(report)];
    })
    .toSorted((a, b) => b.startedAt.localeCompare(a.startedAt))
    .slice(0, count);
}

function summaryOf({
  run,
  flow,
  mode,
  engine,
  verdict,
  startedAt,
  durationMs,
  hosts,
}: RunReport): RunSummary {
  return { run, flow, mode, engine, verdict, startedAt, durationMs, hosts };
}

function reportKey(queues: Queues, run: string): string {
  return queues.key("report", run);
}

function historyKey(queues: Queues, name: string): string {
  return queues.key("history", name);
}
