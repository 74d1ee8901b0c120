import { posix } from "node:path";
import type { Config } from "../config/config.ts";
import { SafeShutdownError } from "../errors.ts";
import { assemble } from "../report/assemble.ts";
import { JobReporter } from "../report/job-reporter.ts";
import type { Mode, RunReport } from "../report/report.ts";
import { countOf } from "../report/words.ts";
import type { Clock } from "../system/clock.ts";
import type { ManifestLine } from "../system/manifest-line.ts";
import { Restorer } from "../system/restorer.ts";
import { RUN_ID } from "./intent.ts";

export interface RestoreOptions {
  /** Files, or directories with all below them; none: everything. */
  readonly paths: readonly string[];
  readonly mode: Mode;
  readonly clock: Clock;
  /** The id of this report. */
  readonly id: string;
}

/**
 * Puts back what a run moved to quarantine on this host, as long as nothing else is there now. It needs no queue: what
 * is asked for is paths, which a queue may not carry. Throws `usage` when the run wrote nothing down here, `refused`.
 */
export function restore(config: Config, run: string, options: RestoreOptions): RunReport {
  const { mode, clock, id } = options;
  const startedAt = new Date(clock.now()).toISOString();
  const begunMs = clock.elapsed();
  if (!RUN_ID.test(run)) throw unknownRun(run);
  const report = new JobReporter("restore", config.host);
  const restorer = new Restorer(config.root, run, mode);
  try {
    const lines = restorer.manifest();
    if (lines === undefined) throw unknownRun(run);
    restoreLines(restorer, lines, wanted(config.root, options.paths), report, run);
  } finally {
    restorer.close();
  }
  const durationMs = clock.elapsed() - begunMs;
  return assemble(
    {
      ...{ run: id, flow: "restore", mode, engine: "inline", app: config.app, hosts: [config.host] },
      ...{ startedAt, durationMs, unreachable: [], nextSteps: [], cancelled: false },
    },
    [report.finish(durationMs)],
  );
}

/** What was moved last is put back first, so that a directory is there again before what was in it. */
function restoreLines(
  restorer: Restorer,
  lines: Iterable<ManifestLine>,
  paths: readonly string[],
  report: JobReporter,
  run: string,
): void {
  const moved: ManifestLine[] = [];
  const named = new Set<string>();
  let left = 0;
  const settle = (line: ManifestLine) => {
    const effect = restorer.restore(line);
    if (effect.outcome === "changed" || (effect.outcome === "kept" && paths.length > 0)) left += 1;
    report.add(line.path, effect);
  };
  for (const line of lines) {
    const asked = paths.filter((path) => line.path === path || line.path.startsWith(`${path}/`));
    for (const path of asked) named.add(path);
    if (paths.length > 0 && asked.length === 0) continue;
    if (line.quarantine === undefined) settle(line);
    else moved.push(line);
  }
  for (const line of moved.reverse()) settle(line);
  for (const path of paths) {
    if (named.has(path)) continue;
    report.kept(path, `${run} did not remove it here`);
    left += 1;
  }
  if (left > 0) report.incomplete(`${countOf(left, "file")} could not be put back`);
}

/** As the manifest writes them: relative to the root. */
function wanted(root: string, paths: readonly string[]): string[] {
  return paths.map((path) => posix.relative(root, posix.resolve(root, path)));
}

function unknownRun(run: string): SafeShutdownError {
  return new SafeShutdownError(
    "usage",
    `${JSON.stringify(run)} removed nothing here, or so long ago that it is forgotten; see safe-shutdown runs`,
  );
}
