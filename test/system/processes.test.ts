import type { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Process, readProcess } from "../../src/system/proc.ts";
import type { Processes, ProcessTree } from "../../src/system/processes.ts";
import { all, handsOn, put, serviceOf, stoppedClock } from "../support/hands.ts";
import { asPlainUser, isRoot, plainUserAvailable } from "../support/plain-user.ts";
import {
  commandLineOf,
  ended,
  isAlive,
  type LongLived,
  spawnIdle,
  spawnProcess,
  waitUntil,
} from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

/** Starts one child of its own with the words, says its pid, and stays. */
const PARENT = (words: string) => `
  const child = require("child_process").spawn(process.execPath,
    ["-e", "console.log('up'); setTimeout(() => {}, 600_000)", "--", ...${JSON.stringify(words.split(" "))}],
    { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.once("data", () => console.log("ready"));
  setTimeout(() => {}, 600_000); if (0)`;

function evidence({ pid }: { pid: number }): Process {
  const process = readProcess(pid);
  if (process === undefined) throw new Error(`expected pid ${pid} to run`);
  return process;
}

/** These, held until the test has finished. */
function held(processes: Processes, ...who: readonly { pid: number }[]): ProcessTree {
  const tree = processes.hold(...who.map(evidence));
  onTestFinished(() => tree.release());
  return tree;
}

function childrenOf(pid: number): number[] {
  const { processes } = handsOn(temporaryDirectory());
  const [, ...rest] = processes.treeOf(evidence({ pid }));
  return rest.map((child) => child.pid);
}

async function idleIn(root: string, ...words: string[]): Promise<LongLived> {
  return spawnIdle({ cwd: root, words });
}

describe("a survey", () => {
  test("gives a pid file to the first service that claims it", async () => {
    const root = temporaryDirectory();
    const beat = await idleIn(root, "celery", "beat");
    const worker = await idleIn(root, "celery", "worker");
    put(root, "pids/celery_beat.pid", `${beat.pid}\n`, 0);
    put(root, "pids/celery_worker1.pid", `${worker.pid}\n`, 0);
    const services = [
      serviceOf("beat", { pidFiles: ["pids/celery_beat.pid"] }),
      serviceOf("worker", { pidFiles: ["pids/celery_*.pid"] }),
    ];
    const { processes } = handsOn(root, { services });

    const states = await processes.survey();

    expect(
      states.map(({ service, pidFiles, strays }) => [
        service.name,
        pidFiles.map((finding) => [finding.file.path, finding.state]),
        strays,
      ]),
    ).toEqual([
      ["beat", [["pids/celery_beat.pid", "running"]], []],
      ["worker", [["pids/celery_worker1.pid", "running"]], []],
    ]);
  });

  test("counts as strays those who match, work inside the root, and have no pid file", async () => {
    const root = temporaryDirectory();
    const elsewhere = temporaryDirectory();
    mkdirSync(join(root, "deep/down"), { recursive: true });
    const stray = await idleIn(root, "worker");
    const deep = await idleIn(join(root, "deep/down"), "worker");
    await idleIn(elsewhere, "worker");
    await idleIn(root, "other");
    const { processes } = handsOn(root, { services: [serviceOf("worker")] });

    const [state] = await processes.survey();

    expect(state?.strays.map(({ pid }) => pid).sort()).toEqual([stray.pid, deep.pid].sort());
  });

  test("does not take a directory beside the root, whose name begins alike, for inside", async () => {
    const parent = temporaryDirectory();
    for (const name of ["app", "app-2"]) mkdirSync(join(parent, name));
    await idleIn(join(parent, "app-2"), "worker");
    const { processes } = handsOn(join(parent, "app"), { services: [serviceOf("worker")] });
    expect((await processes.survey())[0]?.strays).toEqual([]);
  });

  test("does not count the pool children of a known process as strays", async () => {
    const root = temporaryDirectory();
    const main = await spawnIdle({ cwd: root, words: ["worker"], program: PARENT("worker pool") });
    put(root, "pids/worker.pid", `${main.pid}`, 0);
    const { processes } = handsOn(root, { services: [serviceOf("worker")] });

    const [known] = await processes.survey();
    expect(childrenOf(main.pid)).toHaveLength(1);
    expect(known?.strays).toEqual([]);

    const without = handsOn(root, { services: [serviceOf("worker", { pidFiles: ["none/*.pid"] })] });
    const [unknown] = await without.processes.survey(); // the row above proves something
    expect(unknown?.strays.map(({ pid }) => pid)).toEqual([main.pid]);
  });

  test("never counts itself as a stray", async () => {
    const root = process.cwd();
    const { processes } = handsOn(root, { services: [serviceOf("node", { matches: /vitest|node/ })] });
    const [state] = await processes.survey();
    expect(state?.strays.map(({ pid }) => pid)).not.toContain(process.pid);
    expect(state?.strays.map(({ pid }) => pid)).not.toContain(process.ppid);
  });

  test("of a plan takes for gone what an earlier stage would have stopped", async () => {
    const root = temporaryDirectory();
    const { pid } = await idleIn(root, "worker");
    put(root, "other/worker.pid", `${pid}`, 0);
    const presumed = { pids: new Set([pid]), paths: new Set<string>() };
    const services = [serviceOf("worker", { pidFiles: ["other/*.pid"] })];
    const { processes } = handsOn(root, { mode: "plan", services, presumed });
    expect(await processes.survey()).toMatchObject([{ pidFiles: [{ state: "gone" }], strays: [] }]);
  });
});

describe("a signal", () => {
  test("reaches exactly the process that was looked at", async () => {
    const { processes } = handsOn(temporaryDirectory());
    const { child, pid } = await spawnIdle({ words: ["worker"] });

    expect(processes.signal(evidence({ pid }), "SIGTERM", { matches: /worker/ })).toEqual({
      outcome: "done",
    });

    await ended(child);
    expect(child.signalCode).toBe("SIGTERM");
  });

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "%s is not sent when the pid now belongs to a process with another start time",
    async (signal) => {
      const { processes } = handsOn(temporaryDirectory());
      const { child, pid } = await spawnIdle({ words: ["worker"] });
      const process = evidence({ pid });
      for (const startTicks of [process.startTicks - 1, process.startTicks + 1]) {
        expect(processes.signal({ ...process, startTicks }, signal, { matches: /worker/ })).toEqual({
          outcome: "changed",
          reason: "its pid belongs to another process now",
        });
      }
      await proveAlive(child);
    },
  );

  test("is not sent when the process became another program by exec", async () => {
    const root = temporaryDirectory();
    const { child, pid } = await spawnProcess({
      command: "sh",
      args: ["-c", "echo ready; while [ ! -e go ]; do sleep 0.02; done; exec sleep 600", "celery", "worker"],
      cwd: root,
      readyLine: /ready/,
    });
    const process = evidence({ pid });
    writeFileSync(join(root, "go"), "");
    await waitUntil(() => commandLineOf(pid) === "sleep 600", "the exec");
    const { processes } = handsOn(root);

    expect(evidence({ pid }).startTicks).toBe(process.startTicks); // only the command line tells
    expect(processes.signal(process, "SIGTERM", { matches: /worker/ })).toEqual({
      outcome: "changed",
      reason: "its command line does not match any more",
    });
    await proveAlive(child);
  });

  test.each([
    { whom: "itself", pid: () => process.pid },
    { whom: "its parent", pid: () => process.ppid },
    { whom: "its parent's parent", pid: () => evidence({ pid: process.ppid }).parentPid },
    { whom: "pid 1", pid: () => 1 },
  ])("is never sent to $whom", ({ pid }) => {
    const { processes } = handsOn(temporaryDirectory());
    expect(processes.signal(evidence({ pid: pid() }), "SIGTERM")).toEqual({
      outcome: "failed",
      reason: "it is safe-shutdown or its parent",
    });
  });

  test("to a process that has gone counts as done", async () => {
    const { processes } = handsOn(temporaryDirectory());
    const { child, pid } = await spawnIdle();
    const process = evidence({ pid });
    child.kill("SIGKILL");
    await ended(child);
    expect(processes.signal(process, "SIGTERM")).toEqual({ outcome: "done" });
  });

  test("is not sent in a plan", async () => {
    const { processes } = handsOn(temporaryDirectory(), { mode: "plan" });
    const { child, pid } = await spawnIdle({ words: ["worker"] });
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      expect(processes.signal(evidence({ pid }), signal, { matches: /worker/ })).toEqual({
        outcome: "planned",
      });
    }
    await proveAlive(child);
  });

  test.skipIf(!isRoot || !plainUserAvailable())(
    "to a process of another user (skipped unless run by root): EPERM means alive",
    async () => {
      const { child, pid } = await spawnIdle({ words: ["worker"] });
      const answer = asPlainUser(
        `const { processes } = handsOn("/usr");
         const evidence = readProcess(facts.pid);
         answer([processes.signal(evidence, "SIGTERM", { matches: /worker/ }),
           (await processes.waitUntilGone(processes.hold(evidence), 0, () => {})).map(({ pid }) => pid)]);`,
        { pid },
      );
      expect(answer).toEqual([
        { outcome: "failed", reason: "it is alive, and only its owner or root may signal it" },
        [pid],
      ]);
      await proveAlive(child);
    },
  );
});

test("what is only looked at is no candidate of a rule, however often it is looked at", async () => {
  const root = temporaryDirectory();
  put(root, "pids/worker.pid", "1\n");
  const { files, quota, processes } = handsOn(root, { services: [serviceOf("worker")] });
  for (let n = 0; n < 3; n++) await processes.survey();
  expect(quota.candidates.size).toBe(0);
  await all(files.find([{ patterns: ["pids/*"] }]));
  expect([...quota.candidates.values()]).toEqual([1]);
});

describe("waiting until processes are gone", () => {
  test("ends as soon as the last has ended, and tells meanwhile who is waited for", async () => {
    const { processes } = handsOn(temporaryDirectory());
    const first = await spawnIdle();
    const second = await spawnIdle();
    const told: number[][] = [];
    const waiting = processes.waitUntilGone(held(processes, first, second), 20_000, (running) => {
      told.push(running.map(({ pid }) => pid));
      if (running.length === 2) first.child.kill("SIGKILL");
      else second.child.kill("SIGKILL");
    });
    expect(await waiting).toEqual([]);
    expect(told[0]).toEqual([first.pid, second.pid]);
    expect(told.at(-1)).toEqual([second.pid]);
  });

  test("ends when the time is up, with those still running", async () => {
    const clock = stoppedClock();
    const { processes } = handsOn(temporaryDirectory(), { clock });
    const one = await spawnIdle();
    const startedAtMs = clock.nowMs;
    expect(await processes.waitUntilGone(held(processes, one), 15_000, () => {})).toMatchObject([
      { pid: one.pid },
    ]);
    expect(clock.nowMs - startedAtMs).toBe(15_000);
  });

  test("ends on a machine on which every step takes as long as if it had been suspended", async () => {
    const clock = stoppedClock();
    const sleep = async () => {
      clock.nowMs += 5_000;
    };
    const { processes } = handsOn(temporaryDirectory(), {
      clock: { ...clock, elapsed: () => clock.nowMs, sleep },
    });
    const one = await spawnIdle();
    expect(await processes.waitUntilGone(held(processes, one), 15_000, () => {})).toMatchObject([
      { pid: one.pid },
    ]);
  });

  test("ends early when the run is aborted", async () => {
    const stop = new AbortController();
    const { processes } = handsOn(temporaryDirectory(), { signal: stop.signal });
    const one = await spawnIdle();
    const startedAtMs = Date.now();
    const left = await processes.waitUntilGone(held(processes, one), 20_000, () => stop.abort());
    expect(left).toMatchObject([{ pid: one.pid }]);
    expect(Date.now() - startedAtMs).toBeLessThan(5_000);
  });

  test("takes a pid that somebody else got for gone", async () => {
    const { processes } = handsOn(temporaryDirectory());
    const one = await spawnIdle();
    const recycled = { ...evidence(one), startTicks: evidence(one).startTicks - 1 };
    expect(await processes.waitUntilGone(processes.hold(recycled), 20_000, () => {})).toEqual([]);
  });

  test("does not wait for what is a zombie", async () => {
    const { processes } = handsOn(temporaryDirectory());
    const parent = await spawnProcess({
      command: "perl",
      args: ["-e", '$| = 1; my $p = fork(); sleep 600 unless $p; print "$p\\n"; sleep 600;'],
      readyLine: /^\d+$/,
    });
    const [pid = 0] = childrenOf(parent.pid);
    const child = processes.hold(evidence({ pid }));
    onTestFinished(() => child.release());
    process.kill(pid, "SIGKILL");
    expect(await processes.waitUntilGone(child, 20_000, () => {})).toEqual([]);
    expect(isAlive(parent.pid)).toBe(true);
  });
});

test("a tree is a process with all its descendants, each once, parents first", async () => {
  const { processes } = handsOn(temporaryDirectory());
  const main = await spawnIdle({ program: PARENT("pool") });
  await spawnIdle();
  const [child = 0] = childrenOf(main.pid);
  expect(child).toBeGreaterThan(0);
  const tree = processes.treeOf(evidence(main), evidence({ pid: child }));
  expect(tree.map(({ pid }) => pid)).toEqual([main.pid, child]);
});

/** It ends by the signal of ours: a SIGTERM on its way would have been delivered first, having the lower number. */
async function proveAlive(child: ReturnType<typeof spawn>): Promise<void> {
  expect(child.exitCode ?? child.signalCode).toBeNull();
  expect(isAlive(child.pid ?? 0)).toBe(true);
  child.kill("SIGVTALRM");
  await ended(child);
  expect(child.signalCode).toBe("SIGVTALRM");
}
