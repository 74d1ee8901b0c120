import { formatDuration } from "../config/duration.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Application } from "../flow/application.ts";
import type { GoingRun } from "../flow/going-on.ts";
import type { RunSummary } from "../flow/history.ts";
import type { KnownHost, WorkerInfo } from "../flow/hosts.ts";
import type { ScheduleState } from "../flow/schedule-states.ts";
import type { System } from "../report/report.ts";
import { renderSystem, row } from "../report/text.ts";
import { printable } from "../report/words.ts";
import type { Invocation } from "./invocation.ts";
import { withApplication } from "./open.ts";
import { renderSchedule } from "./schedule.ts";
import { columns } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** What `status` shows; `--json` prints it as it is. */
interface Status {
  readonly version: 1;
  readonly app: string;
  readonly root: string;
  readonly host: string;
  readonly system: System;
  /** Live workers; `null` when the queue's Redis cannot be reached. */
  readonly workers: readonly WorkerInfo[] | null;
  /** Hosts that have a maintenance worker, or had one within a day that did not end in good order. */
  readonly hosts: readonly KnownHost[] | null;
  /** Runs that have not ended. */
  readonly going: readonly GoingRun[] | null;
  readonly schedule: readonly ScheduleState[];
  readonly lastRun: RunSummary | null;
}

/** `status`: looks, and changes nothing. With `--all-hosts`, the workers of every host as a table. */
export function showStatus(invocation: Invocation): Promise<number> {
  const { terminal, options } = invocation;
  return withApplication(invocation, async (application) => {
    const status = await statusOf(application, { needsQueue: options.allHosts === true });
    terminal.printJson(status);
    terminal.print(
      options.allHosts === true ? renderHosts(status, application, terminal) : render(status, terminal),
    );
    return 0;
  });
}

async function statusOf(application: Application, { needsQueue }: { needsQueue: boolean }): Promise<Status> {
  const { app, root, host } = application.config;
  const [system, queue] = await Promise.all([application.system(), queueOf(application, needsQueue)]);
  return { version: 1, app, root, host, system, ...queue, schedule: await application.schedule() };
}

async function queueOf(
  application: Application,
  isNeeded: boolean,
): Promise<Pick<Status, "workers" | "hosts" | "going" | "lastRun">> {
  try {
    const [workers, hosts, going, [lastRun]] = await Promise.all([
      application.workers(),
      application.hosts(),
      application.going(),
      application.runs(1),
    ]);
    return { workers, hosts, going, lastRun: lastRun ?? null };
  } catch (error) {
    if (!isNeeded && error instanceof SafeShutdownError && error.code === "redis-unreachable") {
      return { workers: null, hosts: null, going: null, lastRun: null };
    }
    throw error;
  }
}

function render(status: Status, { out }: Terminal): string {
  const { app, root, host, system, workers, going, schedule, lastRun } = status;
  const lines = [
    `${out.bold(printable(app))} in ${printable(root)} on ${host}`,
    "",
    ...renderSystem(system, out),
  ];
  if (workers === null)
    lines.push(row("Workers", out.yellow("unknown: the queue's Redis cannot be reached")));
  else if (workers.length === 0) lines.push(row("Workers", "none alive; a command works for itself"));
  for (const worker of workers ?? []) lines.push(row("Worker", describeWorker(worker)));
  for (const { host: name, lastSeen } of lost(status)) {
    lines.push(row("Worker", out.red(`${printable(name)}: none alive, last seen ${lastSeen}`)));
  }
  if (schedule.length > 0) lines.push(...renderSchedule(schedule, out).map((line) => row("Schedule", line)));
  lines.push(...(going ?? []).map((run) => row("Going on", out.yellow(describeGoing(run)))));
  const none = workers === null ? "unknown" : "none known";
  lines.push(row("Last run", lastRun === null ? none : describeRun(lastRun)));
  return lines.join("\n");
}

function describeWorker({ host, pid, version, fingerprint, since, isCommand }: WorkerInfo): string {
  const kind = isCommand ? "a command" : `version ${version}`;
  return `${printable(host)}: pid ${pid}, ${kind}, config ${fingerprint}, since ${since}`;
}

/** One row per worker, and one per host that has lost its own. A config that is not this command's is marked. */
function renderHosts(status: Status, { config }: Application, { out }: Terminal): string {
  const { workers } = status;
  if (workers === null || (workers.length === 0 && lost(status).length === 0))
    return "no host has a live worker";
  const rows = [
    ["HOST", "STATE", "PID", "VERSION", "CONFIG", "SINCE"],
    ...workers.map(({ host, pid, version, fingerprint, since, isCommand }) => [
      printable(host),
      isCommand ? "command" : "alive",
      String(pid),
      version,
      fingerprint === config.fingerprint ? fingerprint : `${fingerprint} (not as here)`,
      since,
    ]),
    ...lost(status).map(({ host, lastSeen }) => [
      host,
      "unreachable",
      "-",
      "-",
      "-",
      `last seen ${lastSeen}`,
    ]),
  ];
  const [head = "", ...lines] = columns(rows);
  return [
    out.bold(head),
    ...lines.map((line) => (line.includes(" unreachable ") ? out.red(line) : line)),
  ].join("\n");
}

/** The hosts whose worker is gone without having signed off. */
function lost({ workers, hosts }: Status): readonly KnownHost[] {
  return (hosts ?? []).filter(({ host }) => !workers?.some((worker) => worker.host === host));
}

export function describeRun({ run, flow, mode, verdict, startedAt, durationMs }: RunSummary): string {
  return `${startedAt}  ${nameOf(flow, mode)}: ${verdict} in ${formatDuration(durationMs)}  ${run}`;
}

export function describeGoing({ run, flow, mode, state, requestedAt }: GoingRun): string {
  return `${requestedAt}  ${nameOf(flow, mode)}: ${state === "running" ? "going on" : "waiting for a worker"}  ${run}`;
}

function nameOf(flow: string, mode: string): string {
  return mode === "plan" ? `${flow} (dry run)` : flow;
}
