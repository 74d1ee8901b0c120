import { z } from "zod";
import type { TempRule } from "../src/config/config.ts";
import { formatDuration } from "../src/config/duration.ts";
import type { Effect } from "../src/report/report.ts";
import type { Condemned, Contents, FileEntry } from "../src/system/files.ts";
import type { Policy } from "../src/system/judge.ts";
import { matcherOf } from "../src/system/patterns.ts";
import type { PidFileFinding, ServiceState } from "../src/system/processes.ts";
import { sharedLook } from "../src/system/shared-look.ts";
import type { Lot } from "../src/system/swath.ts";
import { defineJob, type JobContext } from "./job.ts";
import { LOCK, plainReasonToKeep, type TempFacts } from "./temp-policy.ts";

export const cleanTempFiles = defineJob({
  name: "clean-temp-files",
  summary: "Remove rotated logs, bytecode, stale pid files and the like.",
  runsOn: "every host",
  input: z.strictObject({}),
  async run(_input, context) {
    const { files, report } = context;
    const names = () => report.namesWanted("done");
    for await (const { removed, lot } of files.removeMany(litter(context), names)) {
      report.addMany(removed.map(({ condemned, effect }) => ({ target: condemned.entry.path, effect })));
      if (lot === undefined) continue;
      const { done, bytes, named, others } = lot;
      report.addMany(others.map(({ path, effect }) => ({ target: path, effect })));
      report.addAlike({ outcome: "done", amount: done, bytes, named: named.map((target) => ({ target })) });
    }
  },
});

/** A survey looks at the whole host, so files share one: it must not be made for each, however many are planted. */
const FIRST_SURVEY_MS = 1_000;
/** The one right before a removal is nearly as young as if it had been made for that removal alone. */
const LAST_SURVEY_MS = 100;

/** What is to go, in handfuls: what the rules mean, then what has been in quarantine for long enough. */
async function* litter(context: JobContext): AsyncGenerator<readonly Condemned[] | Lot> {
  const { config, files, processes, clock, report } = context;
  const isLock = matcherOf(config.locks.flatMap(({ patterns }) => patterns));
  const reasons = new Map(config.temp.map((rule) => [rule, describe(rule)]));
  const survey = () => processes.survey();
  const firstSurvey = sharedLook(survey, FIRST_SURVEY_MS, clock);
  const lastSurvey = sharedLook(survey, LAST_SURVEY_MS, clock);
  for await (const { found, swath } of files.findMany(config.temp, () => policyOf(context))) {
    if (swath !== undefined) {
      const { amount, named } = swath.staying;
      const items = named.map(({ path, reason }) => ({ target: path, reason }));
      if (amount > 0) report.addAlike({ outcome: "kept", amount, named: items });
      if (swath.lot !== undefined) yield swath.lot;
    }
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

/** What sweepers must know to judge by themselves what is plain. */
function policyOf({ config, files, report }: JobContext): Policy {
  const { inodes, paths } = files.openFiles;
  const facts: TempFacts = {
    lockPatterns: config.locks.flatMap(({ patterns }) => patterns),
    rules: config.temp.map((rule) => (isPlain(rule) ? { olderThanMs: rule.olderThanMs } : undefined)),
    open: { inodes, paths },
  };
  return {
    program: new URL("temp-sweeper-program", import.meta.url),
    facts,
    reasons: config.temp.map(describe),
    namesWanted: () => report.namesWanted("kept"),
  };
}

/** Whether what a rule means just goes, for nobody's sake and not to quarantine. */
function isPlain(rule: TempRule): rule is Exclude<TempRule, { kind: "pidFiles" }> {
  return rule.kind !== "pidFiles" && !isForAProcess(rule) && rule.quarantineMs === undefined;
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

/** The whole policy: what no process has to be asked about is in `temp-policy.ts`. A promise only where one must be. */
function reasonToKeep(
  entry: FileEntry,
  contents: Contents | undefined,
  rule: TempRule,
  isLock: (path: string) => boolean,
  servicesNow: () => Promise<readonly ServiceState[]>,
  { files, processes, clock }: JobContext,
): string | undefined | Promise<string | undefined> {
  if (rule.kind === "pidFiles")
    return isLock(entry.path) ? LOCK : reasonToKeepPidFile(processes.identify(entry));
  const openedBy = (file: FileEntry) => files.openedBy(file);
  const reason = plainReasonToKeep(entry, contents, rule, { isLock, nowMs: clock.now(), openedBy });
  if (reason !== undefined || rule.kind !== "files" || rule.unlessRunning === undefined) return reason;
  const { unlessRunning } = rule;
  return servicesNow().then((services) => reasonToKeepFor(unlessRunning, services));
}

function reasonToKeepPidFile(finding: PidFileFinding): string | undefined {
  if (finding.state === "gone") return undefined;
  return finding.state === "running" ? `pid ${finding.process.pid} is running` : finding.reason;
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
