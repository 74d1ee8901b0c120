import { z } from "zod";
import type { TempRule } from "../src/config/config.ts";
import { formatDuration } from "../src/config/duration.ts";
import type { Effect } from "../src/report/report.ts";
import type { FileEntry } from "../src/system/files.ts";
import type { ServiceState } from "../src/system/processes.ts";
import { defineJob, type JobContext } from "./job.ts";

export const cleanTempFiles = defineJob({
  name: "clean-temp-files",
  summary: "Remove rotated logs, bytecode, stale pid files and the like.",
  runsOn: "every host",
  input: z.strictObject({}),
  async run(_input, context) {
    const { config, files, report } = context;
    const services = await context.processes.survey();
    for await (const { rule, path, entry, kept } of files.find(config.temp)) {
      if (entry === undefined) report.kept(path, kept ?? "it cannot be looked at");
      else {
        const { reason, remove } = consider(rule, entry, services, context);
        if (reason === undefined) report.add(path, remove());
        else report.kept(path, reason);
      }
    }
  },
});

interface Decision {
  readonly reason: string | undefined;
  readonly remove: () => Effect;
}

function consider(
  rule: TempRule,
  entry: FileEntry,
  services: readonly ServiceState[],
  context: JobContext,
): Decision {
  const { files, processes, clock } = context;
  switch (rule.kind) {
    case "files": {
      const facts = { ...entry, openedBy: files.openedBy(entry) };
      const reason =
        reasonToKeepFile(facts, rule, clock.now()) ?? reasonToKeepFor(rule.unlessRunning, services);
      return { reason, remove: () => files.remove(entry) };
    }
    case "directories": {
      const contents = files.contentsOf(entry, rule.holding);
      const newest = Math.max(entry.modifiedAtMs, ...contents.files.map((file) => file.modifiedAtMs));
      const opened = contents.files.find((file) => files.openedBy(file) !== undefined);
      const reason =
        contents.obstacle ??
        (opened !== undefined
          ? `${opened.path} in it is open`
          : reasonOfAge(newest, rule.olderThanMs, clock.now()));
      return { reason, remove: () => files.removeDirectory(entry, rule.holding) };
    }
    case "pidFiles": {
      const finding = processes.identify(entry, undefined);
      const reason =
        finding.state === "gone"
          ? undefined
          : finding.state === "running"
            ? `pid ${finding.process.pid} is running`
            : finding.reason;
      return { reason, remove: () => files.remove(entry) };
    }
  }
}

/** The policy for a file, in the order an operator would check it. `undefined`: safe to remove. */
export function reasonToKeepFile(
  file: Pick<FileEntry, "kind" | "modifiedAtMs"> & { openedBy: number | undefined },
  rule: { olderThanMs: number },
  nowMs: number,
): string | undefined {
  if (file.kind !== "file") return "it is not a regular file";
  if (file.openedBy !== undefined) return `pid ${file.openedBy} has it open`;
  return reasonOfAge(file.modifiedAtMs, rule.olderThanMs, nowMs);
}

function reasonOfAge(modifiedAtMs: number, olderThanMs: number, nowMs: number): string | undefined {
  const ageMs = nowMs - modifiedAtMs;
  return olderThanMs > 0 && ageMs < olderThanMs ? `only ${formatDuration(ageMs)} old` : undefined;
}

/** A second beat that finds its schedule file gone, or locked, loses its place: so only a proof will do. */
function reasonToKeepFor(name: string | undefined, services: readonly ServiceState[]): string | undefined {
  const state = services.find(({ service }) => service.name === name);
  if (state === undefined) return undefined;
  if (state.strays.length > 0) return `${name} is running (pid ${state.strays[0]?.pid}, without a pid file)`;
  const finding = state.pidFiles.find((one) => one.state !== "gone");
  if (finding?.state === "running") return `${name} is running (pid ${finding.process.pid})`;
  return finding && `cannot tell whether ${name} is stopped: ${finding.file.path}: ${finding.reason}`;
}
