import { z } from "zod";
import type { TempRule } from "../src/config/config.ts";
import { formatDuration } from "../src/config/duration.ts";
import type { Effect } from "../src/report/report.ts";
import type { Condemned, Contents, FileEntry } from "../src/system/files.ts";
import { matcherOf } from "../src/system/patterns.ts";
import type { PidFileFinding, ServiceState } from "../src/system/processes.ts";
import { sharedLook } from "../src/system/shared-look.ts";
import { defineJob, type JobContext } from "./job.ts";

export const cleanTempFiles = defineJob({
  name: "clean-temp-files",
  summary: "Remove rotated logs, bytecode, stale pid files and the like.",
  runsOn: "every host",
  input: z.strictObject({}),
  async run(_input, context) {
    const { files, report } = context;
    for await (const removed of files.removeMany(litter(context))) {
      report.addMany(removed.map(({ condemned, effect }) => ({ target: condemned.entry.path, effect })));
    }
  },
});

/** A survey looks at the whole host, so files share one: it must not be made for each, however many are planted. */
const FIRST_SURVEY_MS = 1_000;
/** The one right before a removal is nearly as young as if it had been made for that removal alone. */
const LAST_SURVEY_MS = 100;

/** What is to go, in handfuls: what the rules mean, then what has been in quarantine for long enough. */
async function* litter(context: JobContext): AsyncGenerator<readonly Condemned[]> {
  const { config, files, processes, clock, report } = context;
  const isLock = matcherOf(config.locks.flatMap(({ patterns }) => patterns));
  const reasons = new Map(config.temp.map((rule) => [rule, describe(rule)]));
  const survey = () => processes.survey();
  const firstSurvey = sharedLook(survey, FIRST_SURVEY_MS, clock);
  const lastSurvey = sharedLook(survey, LAST_SURVEY_MS, clock);
  for await (const found of files.findMany(config.temp)) {
    const condemned: Condemned[] = [];
    const staying: { target: string; effect: Effect }[] = [];
    for (const { rule, path, entry, kept } of found) {
      if (entry === undefined) {
        staying.push({ target: path, effect: { outcome: "kept", reason: kept } });
        continue;
      }
      const contents = rule.kind === "directories" ? await files.unitOf(entry, rule.holding) : undefined;
      const look = (servicesNow: typeof survey) =>
        reasonToKeep(entry, contents, rule, isLock, servicesNow, context);
      const answer = look(firstSurvey);
      const reason = answer instanceof Promise ? await answer : answer;
      if (reason !== undefined) staying.push({ target: path, effect: { outcome: "kept", reason } });
      else
        condemned.push({
          entry,
          rule,
          reason: reasons.get(rule) ?? describe(rule),
          unit: contents?.unit,
          quarantineMs: "quarantineMs" in rule ? rule.quarantineMs : undefined,
          // what is kept for a process's sake: it may have started meanwhile
          lastLook: isForAProcess(rule) ? () => look(lastSurvey) : undefined,
        });
    }
    if (staying.length > 0) report.addMany(staying);
    if (condemned.length > 0) yield condemned;
  }
  for await (const one of expired(context)) yield [one];
}

/** What was moved to quarantine is kept for as long as its rule said then. */
async function* expired({ config, files, clock, report }: JobContext): AsyncGenerator<Condemned> {
  const rule = config.quarantine;
  for (const { entry, untilMs } of files.quarantined(rule)) {
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
        ...{ entry, rule, reason: "its time in quarantine is over" },
        ...(contents !== undefined && { unit: contents.unit }),
      };
  }
}

function isForAProcess(rule: TempRule): boolean {
  return rule.kind === "pidFiles" || (rule.kind === "files" && rule.unlessRunning !== undefined);
}

/** Why what a rule means goes. */
function describe(rule: TempRule): string {
  const patterns = rule.patterns.join(", ");
  if (rule.kind === "pidFiles") return `its process is gone (${patterns})`;
  return rule.olderThanMs > 0 ? `older than ${formatDuration(rule.olderThanMs)} (${patterns})` : patterns;
}

/** A lock is judged by who holds it, not by its age alone. */
const LOCK = "a lock, which clean-session-locks looks after";

/** A promise only where processes must be asked. */
function reasonToKeep(
  entry: FileEntry,
  contents: Contents | undefined,
  rule: TempRule,
  isLock: (path: string) => boolean,
  servicesNow: () => Promise<readonly ServiceState[]>,
  context: JobContext,
): string | undefined | Promise<string | undefined> {
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
  const { unlessRunning } = rule;
  return servicesNow().then((services) => reasonToKeepFor(unlessRunning, services));
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
