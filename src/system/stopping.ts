import type { Service } from "../config/config.ts";
import { formatDuration } from "../config/duration.ts";
import type { Effect } from "../report/report.ts";
import type { CeleryTasks } from "./celery-tasks.ts";
import type { Clock } from "./clock.ts";
import type { Process, Processes, SignalEffect } from "./processes.ts";

/** What stopping needs of the world. */
export interface StoppingOptions {
  readonly processes: Processes;
  readonly celery: CeleryTasks;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Is told, several times a second, who is waited for and how long. */
  readonly onWait: (what: string) => void;
}

/** How long killed processes get to disappear; the kernel needs a moment to tear them down. */
const KILL_WAIT_MS = 2_500;

/**
 * A warm shutdown: SIGTERM to the main process only, so that Celery finishes its running tasks (to the whole group
 * it would kill the pool), then patience for the grace period, then the whole tree is killed, or left where the
 * service says so. Something still alive at the end is a failure.
 */
export async function shutDownWarmly(
  process: Process,
  service: Service,
  options: StoppingOptions,
): Promise<Effect> {
  const { processes, clock, signal, onWait } = options;
  const grace = formatDuration(service.graceMs);
  const startedAtMs = clock.elapsed();
  const tree = processes.treeOf(process); // noted before: orphans cannot be traced back
  const sent = processes.signal(process, "SIGTERM", service.matches);
  const after = service.afterGrace === "kill" ? "SIGKILL" : "left alone";
  if (sent.outcome !== "done") return withoutWaiting(sent, `SIGTERM, up to ${grace} of grace, then ${after}`);

  const left = await processes.waitUntilGone(tree, service.graceMs, (running, waitedMs) =>
    onWait(`${service.name} (${pidsOf(running)}): ${formatDuration(waitedMs)} of ${grace}`),
  );
  if (left.length === 0) return done(`stopped in ${formatDuration(clock.elapsed() - startedAtMs)}`);
  if (signal.aborted) return failed(`was asked to stop, and is still running (${pidsOf(left)})`);
  const late = `still running after ${grace}`;
  if (service.afterGrace === "leave") return failed(`${late} (${pidsOf(left)}); left alone, as configured`);
  const killed = await kill(left, service, options);
  return { ...killed, reason: `${late}, ${killed.reason}` };
}

/**
 * SIGKILL for a process and all it has started: Celery's pool children outlive their killed parent. A Celery worker
 * is asked first how many tasks this cuts off.
 */
export async function kill(
  roots: readonly Process[],
  service: Service,
  options: StoppingOptions,
): Promise<Effect & { reason: string }> {
  const { processes, celery, onWait } = options;
  const worker = roots.find(isCeleryWorker);
  const running = worker === undefined ? undefined : await celery.runningIn(worker.pid);
  const doomed = processes.treeOf(...roots);
  const amount = doomed.length === 1 ? "1 process" : `${doomed.length} processes`;
  const effects = doomed.map((process) => {
    const isRoot = roots.includes(process); // what it has started may bear any command line
    return processes.signal(process, "SIGKILL", isRoot ? matchesOf(process, service) : undefined);
  });
  const [first] = effects;
  if (first?.outcome === "planned") return withoutWaiting(first, `SIGKILL to ${amount}`);
  const refused = effects.find((effect) => "reason" in effect);
  if (doomed.length === 1 && refused !== undefined) return withoutWaiting(refused, "");
  const left = await processes.waitUntilGone(doomed, KILL_WAIT_MS, (dying) =>
    onWait(`${service.name} (${pidsOf(dying)}) to die`),
  );
  if (left.length > 0) return failed(`killed, but still there: ${pidsOf(left)}`);
  return done(`killed (${amount})${worker === undefined ? "" : `; ${cutOff(running)}`}`);
}

/** Of what is left after the grace, only the main process was proved by its command line. */
function matchesOf(process: Process, service: Service): RegExp | undefined {
  return service.matches.test(process.commandLine) ? service.matches : undefined;
}

function isCeleryWorker({ commandLine }: Process): boolean {
  return /\bcelery\b.*\bworker\b/.test(commandLine);
}

function cutOff(tasks: Awaited<ReturnType<CeleryTasks["runningIn"]>>): string {
  if (tasks === undefined) return "how many tasks were cut off is not known, the worker did not say";
  const { running, unacknowledged } = tasks;
  if (running === 0) return "no task was cut off";
  const text = running === 1 ? "1 running task was cut off" : `${running} running tasks were cut off`;
  return unacknowledged === 0 ? text : `${text}, ${unacknowledged} of which Celery delivers again`;
}

function withoutWaiting(sent: SignalEffect, plan: string): Effect & { reason: string } {
  return "reason" in sent ? sent : { outcome: sent.outcome, bytes: 0, reason: plan };
}

function done(reason: string): Effect & { reason: string } {
  return { outcome: "done", bytes: 0, reason };
}

function failed(reason: string): Effect & { reason: string } {
  return { outcome: "failed", reason };
}

function pidsOf(processes: readonly Process[]): string {
  return `pid ${processes.map(({ pid }) => pid).join(", ")}`;
}
