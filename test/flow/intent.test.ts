import { describe, expect, test } from "vitest";
import { flowNames, flows } from "../../jobs/flows.ts";
import { jobNames, jobs } from "../../jobs/registry.ts";
import { builtIn } from "../../src/flow/catalog.ts";
import {
  type Intent,
  intentSchema,
  kindOf,
  newRunId,
  objectionTo,
  stagesOf,
  taskSchema,
} from "../../src/flow/intent.ts";

const intent = (over: Partial<Intent> = {}): Intent => ({
  version: 1,
  flow: "shutdown",
  mode: "apply",
  hosts: ["a", "b"],
  force: false,
  keepRedis: false,
  ...over,
});
const [[task] = []] = stagesOf("run-1", intent(), builtIn).map((stage) =>
  stage.map((planned) => planned.task),
);

describe("the stages of a run", () => {
  test("are those of the design, once per host or once per run", () => {
    const names = stagesOf("run-1", intent(), builtIn).map((stage) =>
      stage.map(({ id }) => id.slice("run-1.".length)),
    );
    expect(names).toEqual([
      ["0.stop-services.a", "0.stop-services.b"],
      [
        "1.clean-session-locks.a",
        "1.clean-session-locks.b",
        "1.prune-redis",
        "1.clean-temp-files.a",
        "1.clean-temp-files.b",
      ],
      ["2.check-system.a", "2.check-system.b"],
    ]);
  });

  test.each(flowNames)("of %s have unique ids, the same each time, that BullMQ takes", (flow) => {
    const ask = () => stagesOf("run-x", intent({ flow, hosts: ["a", "a.b", "a-b"] }), builtIn).flat();
    const ids = ask().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ask().map(({ id }) => id)).toEqual(ids);
    expect(ids.filter((id) => id.includes(":"))).toEqual([]);
  });

  test.each(flowNames)("of %s are made of tasks that pass their own check", (flow) => {
    for (const planned of stagesOf(newRunId(Date.now(), "abc"), intent({ flow }), builtIn).flat()) {
      expect(taskSchema.parse(JSON.parse(JSON.stringify(planned.task)))).toEqual(planned.task);
    }
  });

  test("stop services before anything is cleaned, and look at the system last", () => {
    for (const flow of ["shutdown", "stop"] as const) {
      expect(flows[flow][0]).toEqual(["stop-services"]);
      expect(flows[flow].at(-1)).toEqual(["check-system"]);
    }
    expect(jobNames.filter((name) => jobs[name].runsOn === "one host")).toEqual(["prune-redis"]);
  });

  test("with --keep-redis name the pruning and skip it, with the reason", () => {
    const skipped = stagesOf("run-1", intent({ keepRedis: true }), builtIn)
      .flat()
      .filter(({ skip }) => skip !== undefined);
    expect(skipped.map(({ task, skip }) => [task.job, skip])).toEqual([
      ["prune-redis", "Redis is left alone (--keep-redis)"],
    ]);
  });

  test("hold only the jobs that were asked for", () => {
    const stages = stagesOf(
      "run-1",
      intent({ flow: "clean", hosts: ["a"], jobs: ["clean-temp-files"] }),
      builtIn,
    );
    expect(stages.map((stage) => stage.map(({ id }) => id))).toEqual([["run-1.0.clean-temp-files.a"]]);
  });
});

describe("what the queue carries", () => {
  const hostile: [string, object][] = [
    ["an unknown key", { path: "/etc" }],
    ["a pattern", { files: "**/*" }],
    ["a command", { command: "rm -rf /" }],
    ["a signal and a pid", { pid: 1, signal: "SIGKILL" }],
    ["a constructor", { constructor: { prototype: { force: true } } }],
    ["an unknown flow", { flow: "wipe" }],
    ["a flow that every object has", { flow: "toString" }],
    ["a flow named __proto__", { flow: "__proto__" }],
    ["an unknown mode", { mode: "destroy" }],
    ["a switch that is no boolean", { force: "yes" }],
    ["another version", { version: 2 }],
  ];
  const hostileNames = ["../../etc", "a/b", "a:b", "{x}", "a b", "a\n", "", ".hidden", "x".repeat(64)];

  test.each([
    ...hostile,
    ["no job", { jobs: [] }],
    ["a job named like a path", { jobs: ["../rm"] }],
    ["more jobs than there can be", { jobs: Array.from({ length: 101 }, (_, n) => `j${n}`) }],
    ["no host", { hosts: [] }],
    ["one host twice", { hosts: ["a", "b", "a"] }],
    ["a host that is no text", { hosts: [1] }],
    ["hosts that are no list", { hosts: "a" }],
    ["hosts whose length is no number", { hosts: { length: { toString: 1 } } }],
    ["jobs whose length is no number", { jobs: { length: { toString: 1 } } }],
    ["too many hosts", { hosts: Array.from({ length: 10_001 }, (_, n) => `h${n}`) }],
    ...hostileNames.map((name): [string, object] => [
      `a host named ${JSON.stringify(name)}`,
      { hosts: [name] },
    ]),
    ["a host with a huge name", { hosts: ["x".repeat(10_000_000)] }],
  ])("refuses an intent with %s", (_what, over) => {
    expect(intentSchema.safeParse({ ...intent(), ...over }).success).toBe(false);
  });

  test.each([
    ...hostile,
    ["a job named like a path", { job: "../rm" }],
    ["a stage that is no number", { stage: "0" }],
    ["a stage beyond all flows", { stage: 1_000 }],
    ["a negative stage", { stage: -1 }],
    ["a run that is a path", { run: "run-../../x" }],
    ["a run that names another key", { run: "run-1:report" }],
    ["a run with a huge name", { run: `run-${"x".repeat(1_000_000)}` }],
    ...hostileNames.map((name): [string, object] => [`a host named ${JSON.stringify(name)}`, { host: name }]),
  ])("refuses a task with %s", (_what, over) => {
    expect(taskSchema.safeParse({ ...task, ...over }).success).toBe(false);
  });

  test.each([
    { what: "an unknown job", over: { jobs: ["rm"] } },
    { what: "an inherited name", over: { jobs: ["constructor"] } },
    { what: "a job that is none of its flow", over: { flow: "clean" as const, jobs: ["stop-services"] } },
  ])("does not know $what", ({ over }: { over: Partial<Intent> }) => {
    expect(objectionTo(intent(over), builtIn)).toMatch(/^expected one of .*; got "/);
  });

  test("knows the jobs of a flow, and means the one that is misspelt", () => {
    expect(objectionTo(intent({ jobs: ["prune-redis"] }), builtIn)).toBeUndefined();
    expect(objectionTo(intent({ jobs: ["prune-radis"] }), builtIn)).toContain("did you mean prune-redis?");
  });

  test("refuses a __proto__ that came as JSON, and takes nothing from it", () => {
    const text = JSON.stringify(intent()).replace("{", '{"__proto__":{"force":true},');
    expect(intentSchema.safeParse(JSON.parse(text)).success).toBe(false);
    expect("force" in {}).toBe(false);
  });

  test.each([null, undefined, 1, "shutdown", [], [intent()], () => intent()])("refuses %s", (value) => {
    expect(intentSchema.safeParse(value).success).toBe(false);
    expect(taskSchema.safeParse(value).success).toBe(false);
  });

  test("takes what we send ourselves", () => {
    expect(intentSchema.parse(JSON.parse(JSON.stringify(intent())))).toEqual(intent());
    expect(taskSchema.parse(task)).toEqual(task);
  });
});

describe("the kind of a run", () => {
  test("does not depend on the order of hosts and jobs", () => {
    const kind = kindOf(intent({ flow: "clean", jobs: ["prune-redis", "clean-temp-files"] }));
    const other = intent({ flow: "clean", jobs: ["clean-temp-files", "prune-redis"], hosts: ["b", "a"] });
    expect(kindOf(other)).toBe(kind);
  });

  test("differs with everything that makes a difference", () => {
    const kinds = [
      intent(),
      intent({ flow: "stop" }),
      intent({ mode: "plan" }),
      intent({ jobs: ["check-system"] }),
      intent({ hosts: ["a"] }),
      intent({ hosts: ["a", "b", "c"] }),
      intent({ hosts: ["a-b"] }),
      intent({ hosts: ["force", "a", "b"] }),
      intent({ force: true }),
      intent({ keepRedis: true }),
      intent({ force: true, keepRedis: true }),
    ].map(kindOf);
    expect(new Set(kinds).size).toBe(kinds.length);
  });
});

test("ids of runs sort by time and are names a task may carry", () => {
  const ids = [0, 1_000, 1e12, 4e12].map((ms) => newRunId(ms, "abc123"));
  expect(ids.toSorted()).toEqual(ids);
  expect(ids[2]).toBe("run-20010909t014640z-abc123");
});
