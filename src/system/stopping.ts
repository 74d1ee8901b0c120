import type { Service } from "../config/config.ts";
import { formatDuration } from "../config/duration.ts";
import type { Effect } from "../report/report.ts";
import type { CeleryTasks } from "./celery-tasks.ts";
import type { Clock } from "./clock.ts";
import type { HeldProcess } from "./held-process.ts";
import type { Process, Processes, ProcessTree, SignalEffect } from "./processes.ts";

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
const POLL_MS = 50;
/** What still starts others after this time is killed as it is. */
const FREEZING_MS = 500;

type Outcome = Effect & { reason: string };

/**
 * A warm shutdown: SIGTERM to the main process only, so that Celery finishes its running tasks (to the whole group
 * it would kill the pool), then patience for the grace period, then the whole tree is killed, or left where the
 * service says so. Something still alive at the end is a failure. Who was asked within the grace already, by an attempt
 * that was cut off, is not asked again: to many a second SIGTERM means "at once". It gets the rest of its grace.
 */
export async function shutDownWarmly(
  process: Process,
  service: Service,
  options: StoppingOptions,
): Promise<Effect> {
  const { processes, clock, signal, onWait } = options;
  const grace = formatDuration(service.graceMs);
  const startedAtMs = clock.elapsed();
  const tree = processes.hold(process); // noted before: orphans cannot be traced back
  try {
    const askedMs = processes.asked.agoMs(process) ?? service.graceMs;
    const wasAsked = askedMs < service.graceMs;
    const sent: SignalEffect = wasAsked
      ? { outcome: "done" }
      : processes.signal(tree.rootOf(process), "SIGTERM", service);
    const after = service.afterGrace === "kill" ? "SIGKILL" : "left alone";
    if (sent.outcome !== "done")
      return withoutWaiting(sent, `SIGTERM, up to ${grace} of grace, then ${after}`);
    if (!wasAsked) processes.asked.note(process);

    const earlierMs = wasAsked ? askedMs : 0;
    const left = await processes.waitUntilGone(tree, service.graceMs - earlierMs, (running, waitedMs) =>
      onWait(`${service.name} (${pidsOf(running)}): ${formatDuration(earlierMs + waitedMs)} of ${grace}`),
    );
    const since = wasAsked ? `, having been asked ${formatDuration(askedMs)} before` : "";
    if (left.length === 0) {
      processes.asked.forget(process);
      return done(`stopped in ${formatDuration(clock.elapsed() - startedAtMs)}${since}`);
    }
    if (signal.aborted) return failed(`was asked to stop, and is still running${besides(process, left)}`);
    const late = `still running after ${grace}`;
    if (service.afterGrace === "leave")
      return failed(`${late}${besides(process, left)}; left alone, as configured`);
    const killed = await killTree(tree, process, service, options);
    if (killed.outcome === "done") processes.asked.forget(process);
    return { ...killed, reason: `${late}, ${killed.reason}` };
  } finally {
    tree.release();
  }
}

/** SIGKILL, at once, for a process and all it has started: Celery's pool children outlive their killed parent. */
export async function kill(process: Process, service: Service, options: StoppingOptions): Promise<Effect> {
  const tree = options.processes.hold(process);
  try {
    const isHeld = tree.rootOf(process) !== process;
    if (isHeld) return await killTree(tree, process, service, options);
    const effect = options.processes.signal(process, "SIGKILL", service);
    return withoutWaiting(effect, "it was already gone");
  } finally {
    tree.release();
  }
}

/**
 * Everything that runs of a tree is stopped first, until it starts nothing new that could escape, and then killed. A
 * Celery worker is asked before how many tasks this cuts off.
 */
async function killTree(
  tree: ProcessTree,
  process: Process,
  service: Service,
  options: StoppingOptions,
): Promise<Outcome> {
  const { processes, celery, clock, signal, onWait } = options;
  const worker = tree.running().find(isCeleryWorker);
  const tasks = worker === undefined ? undefined : await celery.runningIn(worker);
  const [first, ...others] = tree.running();
  if (first === undefined) return done("it ended by itself");
  if (signal.aborted)
    return failed(`was to be killed, and is still running${besides(process, [first, ...others])}`);
  // of a tree only what was proved by its command line bears it: what it has started may bear any
  const identity = service.matches.test(first.commandLine) ? service : undefined;
  const stopped = processes.signal(first, "SIGSTOP", identity);
  if (stopped.outcome !== "done") return withoutWaiting(stopped, `SIGKILL to ${amountOf(1 + others.length)}`);
  processes.signalAll(others, "SIGSTOP");

  const killed = new Set<HeldProcess>();
  const startedAtMs = clock.elapsed();
  for (;;) {
    await freeze(tree, processes, clock);
    const doomed = tree.running().filter((one) => !killed.has(one));
    for (const one of doomed) killed.add(one);
    const refused = processes.signalAll(doomed, "SIGKILL").find((effect) => "reason" in effect);
    const left = tree.running();
    if (left.length === 0 && tree.grow().length === 0 && !tree.isRestless) break;
    if (refused !== undefined) return withoutWaiting(refused, "");
    if (clock.elapsed() - startedAtMs >= KILL_WAIT_MS) return failed(`killed, but ${stillThere(left)}`);
    onWait(`${service.name} (${pidsOf(left)}) to die`);
    await clock.sleep(POLL_MS);
  }
  return done(`killed (${amountOf(killed.size)})${worker === undefined ? "" : `; ${cutOff(tasks)}`}`);
}

/** What is stopped starts nothing: when a look finds nobody new, the tree is complete. */
async function freeze(tree: ProcessTree, processes: Processes, clock: Clock): Promise<void> {
  const startedAtMs = clock.elapsed();
  processes.stopGroups(tree);
  while (clock.elapsed() - startedAtMs < FREEZING_MS) {
    const found = tree.grow();
    if (found.length === 0 && !tree.isRestless) return;
    processes.signalAll(found, "SIGSTOP");
    await clock.breathe();
  }
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

function stillThere(left: readonly HeldProcess[]): string {
  if (left.length === 0) return "it starts others faster than they can be killed";
  const stuck = left.filter((one) => one.stat()?.isStuck);
  if (stuck.length < left.length) return `still there: ${pidsOf(left)}`;
  return `still there: ${pidsOf(left)}, in uninterruptible sleep until the disk or network they wait for answers`;
}

function withoutWaiting(sent: SignalEffect, plan: string): Outcome {
  return "reason" in sent ? sent : { outcome: sent.outcome, bytes: 0, reason: plan };
}

function done(reason: string): Outcome {
  return { outcome: "done", bytes: 0, reason };
}

function failed(reason: string): Outcome {
  return { outcome: "failed", reason };
}

function amountOf(count: number): string {
  return count === 1 ? "1 process" : `${count} processes`;
}

/** Who is left, where that is not just the process that the item names. */
function besides({ pid }: Process, left: readonly Process[]): string {
  return left.every((one) => one.pid === pid) ? "" : ` (${pidsOf(left)})`;
}

function pidsOf(processes: readonly Process[]): string {
  return `pid ${processes.map(({ pid }) => pid).join(", ")}`;
}
