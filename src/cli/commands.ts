import type { Handler } from "./invocation.ts";
import { COMMON, type OptionName, RUN } from "./options.ts";

interface CommandEntry {
  readonly usage: string;
  readonly summary: string;
  readonly takes: readonly OptionName[];
  /** Imported only when called, so that `--help` stays fast. */
  readonly load: () => Promise<Handler>;
}

const runFlow = async () => (await import("./run-flow.ts")).runFlow;

/** The command line, as the README has it. */
export const commands: Record<string, CommandEntry> = {
  shutdown: {
    usage: "shutdown",
    summary: "stop services, clean, check; asks first (the default)",
    takes: RUN,
    load: runFlow,
  },
  stop: { usage: "stop", summary: "stop services, remove stale session locks", takes: RUN, load: runFlow },
  clean: {
    usage: "clean [jobs...]",
    summary: "clean now, services keep running; jobs by name, default all three",
    takes: RUN,
    load: runFlow,
  },
  status: {
    usage: "status",
    summary: "services, Redis, locks, session, workers, schedule, last run",
    takes: [...COMMON, "allHosts"],
    load: async () => (await import("./status.ts")).showStatus,
  },
  worker: {
    usage: "worker",
    summary: "the maintenance worker: runs jobs, fires the schedule",
    takes: COMMON,
    load: async () => (await import("./worker.ts")).work,
  },
  runs: {
    usage: "runs [id]",
    summary: "history; one run's report",
    takes: COMMON,
    load: async () => (await import("./runs.ts")).showRuns,
  },
  cancel: {
    usage: "cancel <id>",
    summary: "ask a run to stop after its current items",
    takes: COMMON,
    load: async () => (await import("./cancel.ts")).cancelRun,
  },
  restore: {
    usage: "restore <run> [paths...]",
    summary: "put back what a run moved to quarantine; never overwrites",
    takes: ["dryRun", "yes", ...COMMON],
    load: async () => (await import("./restore.ts")).restoreRun,
  },
  schedule: {
    usage: "schedule",
    summary: "the schedule: last run, next runs",
    takes: COMMON,
    load: async () => (await import("./schedule.ts")).showSchedule,
  },
  check: {
    usage: "check",
    summary: "config and environment: all problems at once",
    takes: COMMON,
    load: async () => (await import("./check.ts")).check,
  },
  init: {
    usage: "init",
    summary: "write a commented config for the app found here",
    takes: ["root", "json", "quiet", "verbose", "color"],
    load: async () => (await import("./init.ts")).init,
  },
};
