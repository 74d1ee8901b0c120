import { expect, test } from "vitest";
import { eventsBetween, follow, type RunEvent } from "../../src/flow/events.ts";
import type { Run } from "../../src/flow/run.ts";
import type { RunView, TaskView } from "../../src/flow/view.ts";
import type { RunReport } from "../../src/report/report.ts";

const totals = { done: 1, planned: 0, kept: 0, changed: 0, failed: 0, bytes: 7 };

function view(...states: TaskView["state"][]): RunView {
  const tasks = states.map((state, index) => ({
    job: index === 0 ? "stop-services" : "check-system",
    host: "a",
    state,
    progress: undefined,
  }));
  return { run: "run-1", hosts: ["a"], stages: tasks.map((task) => [task]) };
}

test("the first view tells what has begun already, and nothing of what waits", () => {
  expect(eventsBetween(undefined, view("running", "waiting"))).toEqual([
    { type: "stage", stage: 0, jobs: ["stop-services"] },
    { type: "job", job: "stop-services", host: "a", state: "running" },
  ]);
});

test("a stage begins once", () => {
  const events = eventsBetween(view("running", "waiting"), view("ended", "running"));
  expect(events).toEqual([
    { type: "job", job: "stop-services", host: "a", state: "ended" },
    { type: "stage", stage: 1, jobs: ["check-system"] },
    { type: "job", job: "check-system", host: "a", state: "running" },
  ]);
});

test("the same view again tells nothing", () => {
  expect(eventsBetween(view("ended", "skipped"), view("ended", "skipped"))).toEqual([]);
});

test("progress is told when it changed", () => {
  const [[task] = []] = view("running").stages;
  const busy: RunView = { ...view("running"), stages: [[{ ...(task as TaskView), progress: { totals } }]] };
  expect(eventsBetween(view("running"), busy)).toEqual([
    { type: "progress", job: "stop-services", host: "a", progress: { totals } },
  ]);
  expect(eventsBetween(busy, structuredClone(busy))).toEqual([]);
});

test("following tells every view in order, then the report", async () => {
  const report = { run: "run-1" } as RunReport;
  const events = await collect(runOf([view("running"), view("ended")], () => Promise.resolve(report)));
  expect(events.map((event) => ("state" in event ? event.state : event.type))).toEqual([
    "stage",
    "running",
    "ended",
    "report",
  ]);
});

test("following fails as the run does, after what was seen", async () => {
  const run = runOf([view("running")], () => Promise.reject(new Error("lost")));
  await expect(collect(run)).rejects.toThrow("lost");
});

function runOf(views: RunView[], end: () => Promise<RunReport>): Run {
  return {
    id: "run-1",
    engine: "inline",
    attached: false,
    async report({ onView = () => {} } = {}) {
      for (const one of views) {
        await Promise.resolve();
        onView(one);
      }
      return end();
    },
    cancel: async () => {},
  };
}

async function collect(run: Run): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of follow(run)) events.push(event);
  return events;
}
