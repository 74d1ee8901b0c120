import { formatDuration } from "../config/duration.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Application } from "../flow/application.ts";
import type { RunSummary } from "../flow/history.ts";
import type { WorkerInfo } from "../flow/hosts.ts";
import type { ScheduleState } from "../flow/schedule.ts";
import type { System } from "../report/report.ts";
import { renderSystem, row } from "../report/text.ts";
import { printable } from "../report/words.ts";
import type { Invocation } from "./invocation.ts";
import { withApplication } from "./open.ts";
import { renderSchedule } from "./schedule.ts";
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
  readonly schedule: readonly ScheduleState[];
  readonly lastRun: RunSummary | null;
}

/** `status`: looks, and changes nothing. */
export function showStatus(invocation: Invocation): Promise<number> {
  const { terminal, options } = invocation;
  return withApplication(invocation, async (application) => {
    const status = await statusOf(application);
    if (options.allHosts === true) requireQueue(status);
    terminal.printJson(status);
    terminal.print(render(status, terminal));
    return 0;
  });
}

async function statusOf(application: Application): Promise<Status> {
  const { app, root, host } = application.config;
  const [system, queue] = await Promise.all([application.system(), queueOf(application)]);
  return { version: 1, app, root, host, system, ...queue, schedule: await application.schedule() };
}

async function queueOf(application: Application): Promise<Pick<Status, "workers" | "lastRun">> {
  try {
    const [workers, [lastRun]] = await Promise.all([application.workers(), application.runs(1)]);
    return { workers, lastRun: lastRun ?? null };
  } catch (error) {
    if (error instanceof SafeShutdownError && error.code === "redis-unreachable") {
      return { workers: null, lastRun: null };
    }
    throw error;
  }
}

function requireQueue({ workers }: Status): void {
  if (workers === null)
    throw new SafeShutdownError("redis-unreachable", "--all-hosts needs the queue's Redis");
}

function render({ app, root, host, system, workers, schedule, lastRun }: Status, { out }: Terminal): string {
  const lines = [
    `${out.bold(printable(app))} in ${printable(root)} on ${host}`,
    "",
    ...renderSystem(system, out),
  ];
  if (workers === null)
    lines.push(row("Workers", out.yellow("unknown: the queue's Redis cannot be reached")));
  else if (workers.length === 0) lines.push(row("Workers", "none alive; a command works for itself"));
  for (const worker of workers ?? []) {
    const kind = worker.isCommand ? "a command" : `version ${worker.version}`;
    lines.push(
      row(
        "Worker",
        `${printable(worker.host)}: pid ${worker.pid}, ${kind}, config ${worker.fingerprint}, since ${worker.since}`,
      ),
    );
  }
  if (schedule.length > 0) lines.push(...renderSchedule(schedule, out).map((line) => row("Schedule", line)));
  const none = workers === null ? "unknown" : "none known";
  lines.push(row("Last run", lastRun === null ? none : describeRun(lastRun)));
  return lines.join("\n");
}

export function describeRun({ run, flow, mode, verdict, startedAt, durationMs }: RunSummary): string {
  return `${startedAt}  ${flow}${mode === "plan" ? " (dry run)" : ""}: ${verdict} in ${formatDuration(durationMs)}  ${run}`;
}
