import type { Progress } from "../report/job-reporter.ts";
import type { PlannedTask } from "./intent.ts";

/** Where a job of a run stands. */
export interface TaskView {
  readonly job: string;
  /** Absent for a job that runs once per run. */
  readonly host: string | undefined;
  readonly state: "waiting" | "running" | "ended" | "skipped";
  readonly progress: Progress | undefined;
}

/** A run while it is going on, as a watcher sees it. */
export interface RunView {
  readonly run: string;
  readonly hosts: readonly string[];
  readonly stages: readonly (readonly TaskView[])[];
}

export function viewOf(
  run: string,
  stages: readonly (readonly PlannedTask[])[],
  stateOf: (id: string) => Pick<TaskView, "state" | "progress">,
): RunView {
  const hosts = new Set(stages.flat().flatMap(({ task }) => task.host ?? []));
  return {
    run,
    hosts: [...hosts],
    stages: stages.map((stage) =>
      stage.map(({ id, task, skip }) => ({
        job: task.job,
        host: task.host,
        ...(skip === undefined ? stateOf(id) : { state: "skipped" as const, progress: undefined }),
      })),
    ),
  };
}
