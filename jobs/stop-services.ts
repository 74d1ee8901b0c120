import { z } from "zod";
import type { Service } from "../src/config/config.ts";
import { SafeShutdownError } from "../src/errors.ts";
import { commandText } from "../src/report/command.ts";
import type { StrayFacts } from "../src/report/report.ts";
import { countOf } from "../src/report/words.ts";
import type { FileEntry } from "../src/system/files.ts";
import type { PidFileFinding, Process } from "../src/system/processes.ts";
import { kill, shutDownWarmly } from "../src/system/stopping.ts";
import { defineJob, type JobContext } from "./job.ts";

export const stopServices = defineJob({
  name: "stop-services",
  summary: "Stop the application's services, in order, without losing work.",
  runsOn: "every host",
  input: z.strictObject({ force: z.boolean() }),
  async run({ force }, context) {
    for (const { name } of context.config.services) {
      const wasReached = await stopService(name, force, context);
      if (!wasReached) context.report.kept(name, "not asked: the run was cancelled");
    }
    if (force) await tellReserved(context);
    context.signal.throwIfAborted();
  },
});

/**
 * What killed workers had taken is not lost, but nobody sees it for a while: better said. The broker does not tell
 * whose a task is, so those of workers that live on elsewhere are among them.
 */
async function tellReserved({ celery, report }: JobContext): Promise<void> {
  const taken = await celery.unacknowledged();
  if (taken === undefined || taken === 0) return;
  report.kept(
    "unacked",
    `${countOf(taken, "task")} taken and not acknowledged, counting all workers of this broker on all hosts; those of ` +
      "killed workers Celery delivers again after its visibility timeout (default 1 h)",
  );
}

/** Stops a process, once however often it is asked for; answers whether it is stopped, or in a plan would be. */
type Stop = (process: Process, stray?: StrayFacts) => Promise<boolean>;

/**
 * The processes of an entry are stopped together. It is surveyed afresh: earlier entries took their time. Answers whether
 * it came to that before the run was aborted.
 */
async function stopService(name: string, force: boolean, context: JobContext): Promise<boolean> {
  const { processes, signal } = context;
  if (signal.aborted) return false;
  const states = await processes.survey().catch((error: unknown) => {
    if (!signal.aborted) throw error;
    return [];
  });
  if (signal.aborted) return false;
  const state = states.find(({ service }) => service.name === name);
  if (state === undefined) return true;
  const { service, pidFiles, strays } = state;
  const stopping = new Map<number, Promise<boolean>>();
  const stop: Stop = (process, stray) => {
    const stopped = stopping.get(process.pid) ?? stopProcess({ process, stray }, service, force, context);
    stopping.set(process.pid, stopped);
    return stopped;
  };
  await Promise.all([
    ...pidFiles.map((finding) => settlePidFile(finding, stop, context)),
    ...strays.map((stray) => settleStray(stray, service, force, stop, context)),
  ]);
  return true;
}

/** A pid file goes only when its process is proved gone. */
async function settlePidFile(finding: PidFileFinding, stop: Stop, context: JobContext): Promise<void> {
  const { report } = context;
  if (finding.state === "unsure") {
    report.kept(finding.file.path, finding.reason);
    if (finding.mayRun)
      report.incomplete(`cannot tell what ${finding.file.path} stands for: ${finding.reason}`);
  } else if (finding.state === "gone") {
    await removePidFile(finding.file, context, finding.reason);
  } else if (await stop(finding.process)) await removePidFile(finding.file, context);
  else report.kept(finding.file.path, `pid ${finding.process.pid} is still running`);
}

/** One in a preserved place leads to its service, and stays. */
async function removePidFile(
  entry: FileEntry,
  { files, report }: JobContext,
  reason?: string,
): Promise<void> {
  const guard = files.guardOf(entry.path);
  if (guard !== undefined) {
    report.kept(entry.path, `preserved (${guard})`);
    return;
  }
  try {
    const effect = await files.removeOne({ entry, reason: reason ?? "its process was stopped" });
    report.add(entry.path, { ...(reason !== undefined && { reason }), ...effect });
  } catch (error) {
    if (!(error instanceof SafeShutdownError && error.code === "refused")) throw error;
    report.kept(entry.path, error.message); // the other services are still to be stopped
    report.refused(error.message);
  }
}

/** A process of the service that no pid file leads to: not ours to stop, unless somebody says so. */
async function settleStray(
  stray: Process,
  service: Service,
  force: boolean,
  stop: Stop,
  { processes, report }: JobContext,
): Promise<void> {
  const facts: StrayFacts = { stray: true, command: commandText(stray.commandLine) };
  const foreign = processes.whyForeign(stray, service);
  if (foreign === undefined && (force || service.strays === "stop")) {
    await stop(stray, facts);
    return;
  }
  const target = nameOf(service, stray);
  const remedy = "--force stops it, as does `strays: stop` in the config";
  report.kept(target, `left running; ${foreign ?? remedy}`, facts);
  report.incomplete(`${target} is still running`);
}

async function stopProcess(
  { process, stray }: { readonly process: Process; readonly stray: StrayFacts | undefined },
  service: Service,
  force: boolean,
  context: JobContext,
): Promise<boolean> {
  const { report } = context;
  const options = { ...context, onWait: (what: string) => report.waitingFor(what) };
  const effect = await (force ? kill(process, service, options) : shutDownWarmly(process, service, options));
  report.add(nameOf(service, process), effect, stray);
  return effect.outcome === "done" || effect.outcome === "planned";
}

function nameOf(service: Service, process: Process): string {
  return `${service.name} (pid ${process.pid})`;
}
