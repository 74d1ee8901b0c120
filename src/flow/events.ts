import type { Progress } from "../report/job-reporter.ts";
import type { RunReport } from "../report/report.ts";
import type { FollowOptions, Run } from "./run.ts";
import type { RunView, TaskView } from "./view.ts";

/** Something that happened in a run. `host` is absent for a job that runs once per run. */
export type RunEvent =
  | { readonly type: "stage"; readonly stage: number; readonly jobs: readonly string[] }
  | {
      readonly type: "job";
      readonly job: string;
      readonly host: string | undefined;
      readonly state: "running" | "ended" | "skipped";
    }
  | {
      readonly type: "progress";
      readonly job: string;
      readonly host: string | undefined;
      readonly progress: Progress;
    }
  | { readonly type: "report"; readonly report: RunReport };

/**
 * Follows a run, from where it is, as events; the last one is its report. What happens between two looks is told
 * in one go. Throws what `run.report()` throws. Leaving the loop early ends the following, and leaves the run alone.
 */
export async function* follow(
  run: Run,
  options: Omit<FollowOptions, "onView"> = {},
): AsyncGenerator<RunEvent, void> {
  const waiting: RunView[] = [];
  const left = new AbortController();
  const signals = options.signal === undefined ? [left.signal] : [left.signal, options.signal];
  let wake = () => {};
  let ended = false;
  const report = run.report({
    ...options,
    signal: AbortSignal.any(signals),
    onView: (view) => {
      waiting.push(view);
      wake();
    },
  });
  const end = () => {
    ended = true;
    wake();
  };
  report.then(end, end);

  try {
    let last: RunView | undefined;
    while (!ended || waiting.length > 0) {
      for (const view of waiting.splice(0)) {
        yield* eventsBetween(last, view);
        last = view;
      }
      if (!ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (ended || waiting.length > 0) resolve();
        });
      }
    }
    yield { type: "report", report: await report };
  } finally {
    left.abort();
  }
}

/** What happened between two views of the same run; `undefined`: nothing was seen before. */
export function eventsBetween(before: RunView | undefined, after: RunView): RunEvent[] {
  return after.stages.flatMap((tasks, stage) => {
    const past = before?.stages[stage] ?? [];
    const events = tasks.flatMap((task, index) => eventsOf(past[index], task));
    const isNew = hasBegun(tasks) && !hasBegun(past);
    return isNew
      ? [{ type: "stage", stage, jobs: [...new Set(tasks.map(({ job }) => job))] }, ...events]
      : events;
  });
}

function hasBegun(tasks: readonly TaskView[]): boolean {
  return tasks.some(({ state }) => state === "running" || state === "ended");
}

function eventsOf(before: TaskView | undefined, after: TaskView): RunEvent[] {
  const { job, host, state, progress } = after;
  const events: RunEvent[] = [];
  if (state !== "waiting" && state !== before?.state) events.push({ type: "job", job, host, state });
  if (progress !== undefined && JSON.stringify(progress) !== JSON.stringify(before?.progress)) {
    events.push({ type: "progress", job, host, progress });
  }
  return events;
}
