import { z } from "zod";
import type { TempRule } from "../src/config/config.ts";
import { formatDuration } from "../src/config/duration.ts";
import type { Condemned, Contents, FileEntry } from "../src/system/files.ts";
import { matcherOf } from "../src/system/patterns.ts";
import type { PidFileFinding, ServiceState } from "../src/system/processes.ts";
import { defineJob, type JobContext } from "./job.ts";

export const cleanTempFiles = defineJob({
  name: "clean-temp-files",
  summary: "Remove rotated logs, bytecode, stale pid files and the like.",
  runsOn: "every host",
  input: z.strictObject({}),
  async run(_input, context) {
    const { files, report } = context;
    for await (const { condemned, effect } of files.remove(litter(context))) {
      report.add(condemned.entry.path, effect);
    }
  },
});

/** What is to go: what the rules mean, then what has been in quarantine for long enough. */
async function* litter(context: JobContext): AsyncGenerator<Condemned> {
  const { config, files, report } = context;
  const isLock = matcherOf(config.locks.flatMap(({ patterns }) => patterns));
  for await (const { rule, path, entry, kept } of files.find(config.temp)) {
    if (entry === undefined) {
      report.kept(path, kept);
      continue;
    }
    const isUnit = rule.kind === "directories";
    const contents = isUnit ? await files.unitOf(entry, rule.holding) : undefined;
    const look = () => reasonToKeep(entry, contents, rule, isLock, context);
    const reason = await look();
    if (reason !== undefined) report.kept(path, reason);
    else
      yield {
        ...{ entry, rule, reason: describe(rule) },
        ...(contents !== undefined && { unit: contents.unit }),
        ...("quarantineMs" in rule && { quarantineMs: rule.quarantineMs }),
        // what is kept for a process's sake: it may have started meanwhile
        ...(isForAProcess(rule) && { lastLook: look }),
      };
  }
  yield* expired(context);
}

/** What was moved to quarantine is kept for as long as its rule said then. */
async function* expired({ files, clock, report }: JobContext): AsyncGenerator<Condemned> {
  for (const { entry, untilMs } of files.quarantined()) {
    const contents = entry.kind === "directory" ? await files.quarantinedUnitOf(entry) : undefined;
    const reason =
      untilMs === undefined
        ? "it is in quarantine, and its name does not say until when"
        : untilMs > clock.now()
          ? `in quarantine for another ${formatDuration(untilMs - clock.now())}`
          : contents?.obstacle;
    if (reason !== undefined) report.kept(entry.path, reason);
    else
      yield {
        ...{ entry, reason: "its time in quarantine is over" },
        ...(contents !== undefined && { unit: contents.unit }),
      };
  }
}

function isForAProcess(rule: TempRule): boolean {
  return rule.kind === "pidFiles" || (rule.kind === "files" && rule.unlessRunning !== undefined);
}

function describe(rule: TempRule): string {
  const patterns = rule.patterns.join(", ");
  if (rule.kind === "pidFiles") return `its process is gone (${patterns})`;
  return rule.olderThanMs > 0 ? `older than ${formatDuration(rule.olderThanMs)} (${patterns})` : patterns;
}

/** A lock is judged by who holds it, not by its age alone. */
const LOCK = "a lock, which clean-session-locks looks after";

async function reasonToKeep(
  entry: FileEntry,
  contents: Contents | undefined,
  rule: TempRule,
  isLock: (path: string) => boolean,
  context: JobContext,
): Promise<string | undefined> {
  if (isLock(entry.path)) return LOCK;
  const nowMs = context.clock.now();
  if (rule.kind === "pidFiles") return reasonToKeepPidFile(context.processes.identify(entry));
  if (contents !== undefined) {
    const { files, obstacle } = contents;
    const lock = files.find(({ path }) => isLock(path));
    if (lock !== undefined) return `${lock.path} in it is ${LOCK}`;
    return (
      obstacle ?? reasonToKeepDirectory(entry, files, rule, nowMs, (file) => context.files.openedBy(file))
    );
  }
  const reason = reasonToKeepFile(entry, rule, nowMs, () => context.files.openedBy(entry));
  if (reason !== undefined || rule.kind !== "files" || rule.unlessRunning === undefined) return reason;
  return reasonToKeepFor(rule.unlessRunning, await context.processes.survey());
}

/** The policy for a file, in the order an operator would check it. `undefined`: safe to remove. */
export function reasonToKeepFile(
  file: Pick<FileEntry, "kind" | "modifiedAtMs">,
  rule: { olderThanMs: number },
  nowMs: number,
  openedBy: () => number | undefined,
): string | undefined {
  if (file.kind !== "file") return "it is not a regular file";
  const young = reasonOfAge(file.modifiedAtMs, rule.olderThanMs, nowMs);
  if (young !== undefined) return young;
  const pid = openedBy();
  return pid === undefined ? undefined : `pid ${pid} has it open`;
}

/** A directory is as old as what was last changed in it. */
function reasonToKeepDirectory(
  directory: FileEntry,
  files: readonly FileEntry[],
  rule: { olderThanMs: number },
  nowMs: number,
  openedBy: (file: FileEntry) => number | undefined,
): string | undefined {
  const newestMs = files.reduce(
    (newest, file) => Math.max(newest, file.modifiedAtMs),
    directory.modifiedAtMs,
  );
  const young = reasonOfAge(newestMs, rule.olderThanMs, nowMs);
  if (young !== undefined) return young;
  const opened = files.find((file) => openedBy(file) !== undefined);
  return opened && `${opened.path} in it is open`;
}

function reasonToKeepPidFile(finding: PidFileFinding): string | undefined {
  if (finding.state === "gone") return undefined;
  return finding.state === "running" ? `pid ${finding.process.pid} is running` : finding.reason;
}

function reasonOfAge(modifiedAtMs: number, olderThanMs: number, nowMs: number): string | undefined {
  const ageMs = nowMs - modifiedAtMs;
  return olderThanMs > 0 && ageMs < olderThanMs ? `only ${formatDuration(ageMs)} old` : undefined;
}

/** A second beat that finds its schedule file gone, or locked, loses its place: so only a proof will do. */
function reasonToKeepFor(name: string, services: readonly ServiceState[]): string | undefined {
  const state = services.find(({ service }) => service.name === name);
  if (state === undefined) return `no service ${name} is known`;
  const [stray] = state.strays;
  if (stray !== undefined) return `${name} is running (pid ${stray.pid}, without a pid file)`;
  const [unclear] = state.unclear;
  if (unclear !== undefined)
    return `cannot tell whether ${name} is stopped: pid ${unclear.pid} looks like it; root could`;
  if (state.blindSpot !== undefined) return `cannot tell whether ${name} is stopped: ${state.blindSpot}`;
  const finding = state.pidFiles.find((one) => one.state !== "gone");
  if (finding?.state === "running") return `${name} is running (pid ${finding.process.pid})`;
  return finding && `cannot tell whether ${name} is stopped: ${finding.file.path}: ${finding.reason}`;
}
