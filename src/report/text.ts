import { formatDuration } from "../config/duration.ts";
import type { HostState, Item, JobReport, Outcome, RunReport, Scan, System } from "./report.ts";
import { countOf, formatBytes, printable } from "./words.ts";

/** How a text is emphasised; each does nothing where there are no colours. */
export interface Palette {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

export interface TextOptions {
  readonly palette: Palette;
  /** Show every item instead of the first few of each outcome. */
  readonly verbose: boolean;
}

/** How many items of an outcome are shown when not everything is asked for. What failed is always shown. */
const SHOWN = 12;
/** How many hosts are named where a service is stopped, or unknown; more are counted. */
const HOSTS_SHOWN = 10;
const SIGN: Record<Outcome, string> = { done: "✓", planned: "+", kept: "·", changed: "~", failed: "✗" };

/** The closing summary of a run, for people. */
export function renderReport(report: RunReport, options: TextOptions): string {
  const { palette } = options;
  const lines = [headline(report, palette), ""];
  for (const job of report.jobs) lines.push(...renderJob(job, report, options));
  if (report.system !== null) lines.push("", ...renderSystem(report.system, palette));
  lines.push("", ...totals(report, palette));
  if (report.unreachable.length > 0) {
    lines.push(palette.red(`Unreachable    ${report.unreachable.map(printable).join(", ")}`));
  }
  if (report.nextSteps.length > 0 && report.mode === "apply" && report.verdict === "done") {
    lines.push("", "Next steps", ...report.nextSteps.map((step) => `  ${printable(step)}`));
  }
  return `${lines.join("\n")}\n`;
}

function headline({ flow, mode, verdict, durationMs, app, hosts, run }: RunReport, palette: Palette): string {
  const name = printable(flow);
  const what = mode === "plan" ? `${name}, dry run: nothing was touched` : name;
  const word =
    verdict === "done"
      ? palette.green(verdict)
      : verdict === "partial"
        ? palette.yellow(verdict)
        : palette.red(verdict);
  const where = hosts.length > 3 ? `${hosts.length} hosts` : hosts.map(printable).join(", ");
  return `${palette.bold(printable(app))} on ${where}: ${what}: ${palette.bold(word)} in ${formatDuration(durationMs)} ${palette.dim(`(${printable(run)})`)}`;
}

function renderJob(job: JobReport, { hosts, mode }: RunReport, { palette, verbose }: TextOptions): string[] {
  const name = printable(hosts.length > 1 ? `${job.job} on ${job.host}` : job.job);
  const word = mode === "plan" && job.status === "done" ? "planned" : job.status;
  const status = job.status === "done" ? palette.green(word) : palette.yellow(word);
  const lines = [
    `${palette.bold(name)}  ${status}${job.reason === undefined ? "" : `: ${printable(job.reason)}`}`,
  ];
  for (const outcome of ["done", "planned", "failed", "changed", "kept"] as const) {
    const items = job.items.filter((item) => item.outcome === outcome);
    const strays = items.filter(({ stray }) => stray); // nobody expects them: always shown, and first
    const others = items.filter(({ stray }) => !stray);
    const shown = [...strays, ...(verbose || outcome === "failed" ? others : others.slice(0, SHOWN))];
    lines.push(...shown.map((item) => renderItem(item, palette)));
    const hidden = items.length - shown.length;
    if (hidden > 0) lines.push(palette.dim(`  ${SIGN[outcome]} … ${hidden} more ${outcome} (-v shows them)`));
  }
  for (const scan of job.scans ?? []) lines.push(...renderScan(scan, palette));
  if (job.truncated)
    lines.push(palette.dim("  the report keeps the first of each outcome; the totals count all"));
  return lines;
}

function renderScan(
  { target, keys, pages, worstPageMs, durationMs, note, ...scan }: Scan,
  palette: Palette,
): string[] {
  const speed = `${formatDuration(durationMs)}, ${scan.keysPerSecond.toLocaleString("en")}/s`;
  const line = `  ${countOf(keys, "key")} scanned in ${countOf(pages, "page")} (${speed}, the longest ${worstPageMs} ms)`;
  return [
    palette.dim(`${line}: ${printable(target)}`),
    ...(note === undefined ? [] : [palette.yellow(`  ${printable(note)}`)]),
  ];
}

function renderItem({ target, outcome, reason, stray, command }: Item, palette: Palette): string {
  const what = stray ? palette.yellow(`, stray without a pid file${commandOf(command)}`) : "";
  const line = `  ${SIGN[outcome]} ${printable(target)}${what}${reason === undefined ? "" : `  ${palette.dim(printable(reason))}`}`;
  return outcome === "failed" ? palette.red(line) : line;
}

function commandOf(command: string | undefined): string {
  return command === undefined ? "" : `: ${printable(command)}`;
}

/** What is running and what is left, as `status` and the end of a shutdown show it. */
export function renderSystem(system: System, palette: Palette): string[] {
  const { services, host, others = [] } = system;
  return [
    ...services.map((service) =>
      row("Service", `${printable(service.name)}: ${describeService(service, palette)}`),
    ),
    ...renderHost(system, host, palette),
    ...others.flatMap((other) => renderHost(other, other.host, palette)),
  ];
}

/** Of several hosts it says which one a service is stopped on, unless that is all of them. */
function describeService(
  { running, stoppedOn = [], unknownOn = [] }: System["services"][number],
  palette: Palette,
): string {
  const pids = running.map(
    ({ pid, host, stray, command }) =>
      `${pid}${host === undefined ? "" : ` on ${printable(host)}`}${stray ? palette.yellow(` (stray${commandOf(command)})`) : ""}`,
  );
  const isStopped = pids.length === 0 && unknownOn.length === 0;
  const states = [
    pids.length > 0 && palette.green(`running, pid ${pids.join(", ")}`),
    isStopped && palette.dim("stopped"),
    !isStopped && stoppedOn.length > 0 && palette.dim(`stopped on ${placesOf(stoppedOn)}`),
    unknownOn.length > 0 && palette.yellow(`unknown on ${placesOf(unknownOn)}`),
  ];
  return states.filter(Boolean).join("; ");
}

function placesOf(hosts: readonly string[]): string {
  return hosts.length > HOSTS_SHOWN ? `${hosts.length} hosts` : hosts.map(printable).join(", ");
}

/** What one host saw, with its name where there are several. */
function renderHost(
  { redis, locks, session, disk }: HostState,
  host: string | undefined,
  palette: Palette,
): string[] {
  const rowOf = (label: string, text: string) =>
    row(label, host === undefined ? text : `${printable(host)}: ${text}`);
  const lines = [
    rowOf(
      "Redis",
      redis.reachable
        ? `preserved and reachable, ${formatBytes(redis.usedMemoryBytes ?? 0)} used`
        : palette.yellow(printable(redis.reason ?? "cannot be reached")),
    ),
  ];
  if (session !== null) lines.push(rowOf("Session", describeSession(session, palette)));
  lines.push(rowOf("Locks", locks.length === 0 ? "none" : `${locks.length} left`));
  for (const { file, ageMs, holder } of locks) {
    lines.push(
      row(
        "",
        `${printable(file)}  ${palette.dim(`${ageMs === null ? "" : `${formatDuration(ageMs)} old, held by `}${printable(holder)}`)}`,
      ),
    );
  }
  lines.push(rowOf("Disk", `${formatBytes(disk.freeBytes)} of ${formatBytes(disk.totalBytes)} free`));
  return lines;
}

function describeSession(session: NonNullable<System["session"]>, palette: Palette): string {
  const file = printable(session.file);
  if (!session.present) return palette.yellow(`${file} is missing`);
  const age = `${file} preserved, ${countOf(session.ageDays ?? 0, "day")} old`;
  return session.advice === undefined ? age : `${age}: ${palette.yellow(printable(session.advice))}`;
}

function totals({ jobs, mode }: RunReport, palette: Palette): string[] {
  const sum = (outcome: Outcome | "bytes") => jobs.reduce((total, job) => total + job.totals[outcome], 0);
  const verb = mode === "plan" ? "to do" : "done";
  const amount = mode === "plan" ? sum("planned") : sum("done");
  const failed = sum("failed");
  const parts = [
    `${amount} ${verb} (${formatBytes(sum("bytes"))} ${mode === "plan" ? "to be freed" : "freed"})`,
    `${sum("kept")} kept`,
    `${sum("changed")} changed meanwhile`,
    failed > 0 ? palette.red(`${failed} failed`) : "0 failed",
  ];
  return [row("Totals", parts.join(", "))];
}

export function row(label: string, text: string): string {
  return `${label.padEnd(9)} ${text}`;
}
