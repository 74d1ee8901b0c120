import { z } from "zod";
import type { Service } from "../src/config/config.ts";
import { formatDuration } from "../src/config/duration.ts";
import type { Effect } from "../src/system/files.ts";
import type { PidFileFinding, Process } from "../src/system/processes.ts";
import { defineJob, type JobContext } from "./job.ts";

/** How long killed processes get to disappear; the kernel needs a moment to tear them down. */
const KILL_WAIT_MS = 2_500;

export const stopServices = defineJob({
  name: "stop-services",
  summary: "Stop the application's services, in order, without losing work.",
  runsOn: "every host",
  input: z.strictObject({ force: z.boolean() }),
  async run({ force }, context) {
    for (const { name } of context.config.services) {
      if (context.signal.aborted) break;
      await stopService(name, force, context);
    }
    context.signal.throwIfAborted();
  },
});

/** The processes of an entry are stopped together. It is surveyed afresh: earlier entries took their time. */
async function stopService(name: string, force: boolean, context: JobContext): Promise<void> {
  const state = (await context.processes.survey()).find(({ service }) => service.name === name);
  if (state === undefined) return;
  const { service, pidFiles, strays } = state;
  const isStopped = new Map<number, Promise<boolean>>(); // two pid files may name one process
  const stopOnce = (process: Process) => {
    const stopping = isStopped.get(process.pid) ?? stopAndReport(process, service, force, context);
    isStopped.set(process.pid, stopping);
    return stopping;
  };
  await Promise.all([
    ...pidFiles.map((finding) => settlePidFile(finding, stopOnce, context)),
    ...strays.map((stray) => settleStray(stray, service, force, stopOnce, context)),
  ]);
}

/** A pid file goes only when its process is proved gone. */
async function settlePidFile(
  finding: PidFileFinding,
  stop: (process: Process) => Promise<boolean>,
  { files, report }: JobContext,
): Promise<void> {
  if (finding.state === "unsure") report.kept(finding.file.path, finding.reason);
  else if (finding.state === "gone") {
    report.add(finding.file.path, { reason: finding.reason, ...files.remove(finding.file) });
  } else if (await stop(finding.process)) report.add(finding.file.path, files.remove(finding.file));
  else report.kept(finding.file.path, `pid ${finding.process.pid} is still running`);
}

async function settleStray(
  stray: Process,
  service: Service,
  force: boolean,
  stop: (process: Process) => Promise<boolean>,
  { report }: JobContext,
): Promise<void> {
  if (force || service.strays === "stop") {
    await stop(stray);
    return;
  }
  report.kept(
    nameOf(service, stray),
    "a stray: it has no pid file; --force stops it, as does `strays: stop` in the config",
  );
  report.incomplete(`${nameOf(service, stray)} is still running`);
}

/** Whether the process is stopped, or in a plan would be. */
async function stopAndReport(
  process: Process,
  service: Service,
  force: boolean,
  context: JobContext,
): Promise<boolean> {
  const effect = force ? await kill([process], service, context) : await shutDown(process, service, context);
  context.report.add(nameOf(service, process), effect);
  return effect.outcome === "done" || effect.outcome === "planned";
}

/**
 * A warm shutdown: SIGTERM to the main process only, so that Celery finishes its running tasks (to the whole
 * group it would kill the pool), then patience for the grace period, then the whole tree is killed.
 */
async function shutDown(process: Process, service: Service, context: JobContext): Promise<Effect> {
  const { processes, report, clock, signal } = context;
  const startedAtMs = clock.now();
  const tree = processes.treeOf(process); // noted before: orphans cannot be traced back
  const sent = processes.signal(process, "SIGTERM", service.matches);
  if (sent.outcome === "planned")
    return {
      outcome: "planned",
      bytes: 0,
      reason: `SIGTERM, then up to ${formatDuration(service.graceMs)} of grace`,
    };
  if ("reason" in sent) return sent;

  const left = await processes.waitUntilGone(tree, service.graceMs, (running, waitedMs) =>
    report.waitingFor(
      `${service.name} (${pidsOf(running)}): ${formatDuration(waitedMs)} of ${formatDuration(service.graceMs)}`,
    ),
  );
  if (left.length === 0)
    return { outcome: "done", bytes: 0, reason: `stopped in ${formatDuration(clock.now() - startedAtMs)}` };
  if (signal.aborted)
    return { outcome: "failed", reason: `was asked to stop, and is still running (${pidsOf(left)})` };
  const late = `still running after ${formatDuration(service.graceMs)}`;
  if (service.afterGrace === "leave")
    return { outcome: "failed", reason: `${late} (${pidsOf(left)}); left alone, as configured` };
  return kill(left, service, context, `${late}, `);
}

/** SIGKILL for processes and all they have started; Celery's pool children outlive their killed parent. */
async function kill(
  roots: readonly Process[],
  service: Service,
  { processes, report }: JobContext,
  why = "",
): Promise<Effect> {
  const doomed = processes.treeOf(...roots);
  const [main] = doomed;
  for (const process of doomed) {
    const isProved = process !== main; // a descendant of a proved process; it may bear any command line
    const sent = processes.signal(process, "SIGKILL", isProved || why !== "" ? undefined : service.matches);
    if (sent.outcome === "planned") {
      return { outcome: "planned", bytes: 0, reason: `SIGKILL to ${countOf(doomed)}` };
    }
    if ("reason" in sent && process === main) return sent;
  }
  const left = await processes.waitUntilGone(doomed, KILL_WAIT_MS, (running) =>
    report.waitingFor(`${service.name} (${pidsOf(running)}) to die`),
  );
  if (left.length > 0) return { outcome: "failed", reason: `${why}killed, but still there: ${pidsOf(left)}` };
  return { outcome: "done", bytes: 0, reason: `${why}killed (${countOf(doomed)})` };
}

function nameOf(service: Service, process: Process): string {
  return `${service.name} (pid ${process.pid})`;
}

function pidsOf(processes: readonly Process[]): string {
  return `pid ${processes.map(({ pid }) => pid).join(", ")}`;
}

function countOf({ length }: readonly Process[]): string {
  return length === 1 ? "1 process" : `${length} processes`;
}
