import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, renameSync, symlinkSync, unlinkSync, utimesSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { reasonToKeepFile } from "../../jobs/temp-policy.ts";
import { Manifest } from "../../src/system/manifest.ts";
import { Processes } from "../../src/system/processes.ts";
import { makeApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE, mountAt, put, SECOND, stoppedClock } from "../support/hands.ts";
import { diff, snapshot } from "../support/listing.ts";
import { ended, spawnIdle, spawnProcess } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

const CONFIG = `
services:
  - { name: celery-beat, pidFiles: pids/celery_beat.pid, matches: 'celery.*\\bbeat\\b' }
temp:
  - { files: "logs/**/*.log.*", olderThan: 7d }
  - { directories: "**/__pycache__" }
  - { files: "**/*.pyc" }
  - { pidFiles: "pids/*.pid" }
  - { files: "logs/celerybeat-schedule*", unlessRunning: celery-beat }
preserve: ["*.session", data/**, "logs/**/*.log"]
limits: { files: 1000 }`;

const nothingElse = { added: [], removed: [], changed: [] };

test.each([
  { because: "it is open", openedBy: 77, ageMs: 8 * DAY, reason: "pid 77 has it open" },
  { because: "it is young", openedBy: undefined, ageMs: 6 * DAY, reason: "only 6d old" },
  { because: "it is just younger", openedBy: undefined, ageMs: 7 * DAY - 1, reason: "only 6d 23h old" },
  { because: "it comes from the future", openedBy: undefined, ageMs: -DAY, reason: "only -1d old" },
  { because: undefined, openedBy: undefined, ageMs: 7 * DAY, reason: undefined },
  { because: undefined, openedBy: undefined, ageMs: 7 * DAY + 1, reason: undefined },
])("a rotated log of $ageMs ms is kept because $because", ({ openedBy, ageMs, reason }) => {
  const file = { kind: "file", modifiedAtMs: -ageMs } as const;
  expect(reasonToKeepFile(file, { olderThanMs: 7 * DAY }, 0, () => openedBy)).toBe(reason);
});

test("removes what the rules mean, once each, and says what it freed", async () => {
  const app = await makeApp(CONFIG);
  put(app.root, "logs/app.log.2", "x".repeat(10_000), 8 * DAY);
  put(app.root, "logs/app.log.1", "x", DAY);
  put(app.root, "logs/app.log", "x", 90 * DAY);
  put(app.root, "src/__pycache__/a.pyc");
  put(app.root, "src/old.pyc");
  put(app.root, "data/__pycache__/b.pyc");
  put(app.root, "env/pyvenv.cfg");
  put(app.root, "env/lib/__pycache__/c.pyc");
  put(app.root, "logs/celerybeat-schedule.db");
  const before = snapshot(app.root);

  const { lines, report } = await app.run("clean-temp-files");

  expect(lines).toEqual([
    expect.stringMatching(/^data\/__pycache__: kept: preserved|^logs\/app\.log\.1: kept: only 1d/),
    "logs/app.log.2: done",
    "logs/celerybeat-schedule.db: done",
    "src/__pycache__: done",
    "src/old.pyc: done",
  ]);
  expect(report).toMatchObject({ status: "done", totals: { done: 4, bytes: 10_003 } });
  expect([...diff(before, snapshot(app.root)).removed].sort()).toEqual([
    "logs/app.log.2",
    "logs/celerybeat-schedule.db",
    "src/__pycache__",
    "src/__pycache__/a.pyc",
    "src/old.pyc",
  ]);
  expect((await app.run("clean-temp-files")).targets("done")).toEqual([]); // a second run finds nothing
});

test.each([
  { age: "just younger than 7 days", ageMs: 7 * DAY - 1, outcome: "kept" },
  { age: "exactly 7 days old", ageMs: 7 * DAY, outcome: "done" },
  { age: "just older than 7 days", ageMs: 7 * DAY + 1, outcome: "done" },
])("a rotated log that is $age: $outcome", async ({ ageMs, outcome }) => {
  const app = await makeApp(CONFIG);
  const writtenAt = Math.floor(Date.now() / SECOND) - 3_600;
  utimesSync(put(app.root, "logs/a.log.1"), writtenAt, writtenAt);
  const clock = stoppedClock(writtenAt * SECOND + ageMs);
  expect((await app.run("clean-temp-files", { clock })).items).toMatchObject([{ outcome }]);
});

test("keeps a rotated log that somebody still writes to", async () => {
  const app = await makeApp(CONFIG);
  put(app.root, "logs/app.log.2", "x", 8 * DAY);
  const args = ["-c", "exec 7<logs/app.log.2; echo ready; while :; do sleep 600; done"];
  const { pid } = await spawnProcess({ command: "sh", args, cwd: app.root, readyLine: /ready/ });
  expect((await app.run("clean-temp-files")).lines).toEqual([`logs/app.log.2: kept: pid ${pid} has it open`]);
});

test("keeps what is no regular file, whatever it is called", async () => {
  const app = await makeApp('temp: [{ files: "tmp/**" }]');
  const canary = put(temporaryDirectory(), "canary");
  put(app.root, "tmp/file");
  symlinkSync(canary, join(app.root, "tmp/link"));
  execFileSync("mkfifo", [join(app.root, "tmp/fifo")]);
  const server = createServer().listen(join(app.root, "tmp/socket"));
  await once(server, "listening");
  try {
    expect((await app.run("clean-temp-files")).lines).toEqual([
      "tmp/fifo: kept: it is not a regular file",
      "tmp/file: done",
      "tmp/link: kept: it is not a regular file",
      "tmp/socket: kept: it is not a regular file",
    ]);
  } finally {
    server.close();
  }
});

describe("a directory of bytecode", () => {
  const AGED = CONFIG.replace('"**/__pycache__" }', '"**/__pycache__", olderThan: 1h }');

  test("stays when one file in it was not expected", async () => {
    const app = await makeApp(CONFIG);
    put(app.root, "src/__pycache__/a.pyc");
    put(app.root, "src/__pycache__/notes\n.txt");
    const before = snapshot(app.root);
    expect((await app.run("clean-temp-files")).lines).toEqual([
      'src/__pycache__: kept: it holds "notes\\n.txt"',
    ]);
    expect(diff(before, snapshot(app.root))).toEqual(nothingElse);
  });

  test("is as old as its newest file", async () => {
    const app = await makeApp(AGED);
    put(app.root, "src/__pycache__/old.pyc", "x", DAY);
    put(app.root, "src/__pycache__/new.pyc", "x", 10 * MINUTE + 30 * SECOND);
    utimesSync(join(app.root, "src/__pycache__"), 1_000_000, 1_000_000);
    const [line] = (await app.run("clean-temp-files")).lines;
    expect(line).toMatch(/^src\/__pycache__: kept: only 10m 3\ds old$/);
  });

  test("stays when one file in it is open", async () => {
    const app = await makeApp(CONFIG);
    put(app.root, "src/__pycache__/a.pyc");
    const args = ["-c", "exec 7<src/__pycache__/a.pyc; echo ready; while :; do sleep 600; done"];
    await spawnProcess({ command: "sh", args, cwd: app.root, readyLine: /ready/ });
    expect((await app.run("clean-temp-files")).lines).toEqual([
      "src/__pycache__: kept: src/__pycache__/a.pyc in it is open",
    ]);
  });

  test("that something is mounted on stays, and the rest proceeds", async (context) => {
    const app = await makeApp(CONFIG);
    mkdirSync(join(app.root, "src/__pycache__"), { recursive: true });
    put(app.root, "src/b.pyc");
    if (!mountAt(join(app.root, "src/__pycache__"), "-t", "tmpfs", "none"))
      context.skip("mount is not permitted here");
    put(app.root, "src/__pycache__/a.pyc");
    expect((await app.run("clean-temp-files")).lines).toEqual([
      "src/__pycache__: kept: it is on another file system",
      "src/b.pyc: done",
    ]);
  });
});

describe("a pid file", () => {
  test("goes only when its process is proved gone", async () => {
    const app = await makeApp(CONFIG);
    const live = await spawnIdle();
    const dead = await spawnIdle();
    dead.child.kill("SIGKILL");
    await ended(dead.child);
    put(app.root, "pids/live.pid", `${live.pid}`, 0);
    put(app.root, "pids/dead.pid", `${dead.pid}`, 0);
    put(app.root, "pids/reused.pid", `${live.pid}`, DAY);
    put(app.root, "pids/garbage.pid", "-1", 0);
    symlinkSync("dead.pid", join(app.root, "pids/link.pid"));
    expect((await app.run("clean-temp-files")).lines).toEqual([
      "pids/dead.pid: done",
      "pids/garbage.pid: kept: it does not hold a pid",
      "pids/link.pid: kept: it cannot be read as a regular file",
      `pids/live.pid: kept: pid ${live.pid} is running`,
      "pids/reused.pid: done",
    ]);
  });
});

describe("beat's schedule stays", () => {
  test.each([
    {
      while: "beat runs with its pid file",
      pidFile: (pid: number) => `${pid}`,
      reason: /celery-beat is running \(pid \d+\)$/,
    },
    {
      while: "beat runs without a pid file",
      pidFile: undefined,
      reason: /celery-beat is running \(pid \d+, without a pid file\)$/,
    },
    {
      while: "nobody can tell, as the pid file is garbage",
      pidFile: () => "?",
      reason: /celery-beat is running|cannot tell whether celery-beat is stopped/,
    },
  ])("while $while", async ({ pidFile, reason }) => {
    const app = await makeApp(CONFIG.replace(/.*pidFiles: "pids.*\n/, ""));
    put(app.root, "logs/celerybeat-schedule");
    const { pid } = await spawnIdle({ cwd: app.root, words: ["celery", "beat"] });
    if (pidFile !== undefined) put(app.root, "pids/celery_beat.pid", pidFile(pid), 0);
    const { lines } = await app.run("clean-temp-files");
    expect(lines).toEqual([expect.stringMatching(reason)]);
  });

  test("while beat's pid file cannot be understood, though nobody seems to run", async () => {
    const app = await makeApp(CONFIG.replace(/.*pidFiles: "pids.*\n/, ""));
    put(app.root, "logs/celerybeat-schedule");
    put(app.root, "pids/celery_beat.pid", "?", 0);
    expect((await app.run("clean-temp-files")).lines).toEqual([
      "logs/celerybeat-schedule: kept: cannot tell whether celery-beat is stopped: pids/celery_beat.pid: it does not hold a pid",
    ]);
  });

  test("however many files are called like it, the host is looked over a few times", async () => {
    const app = await makeApp(CONFIG);
    for (let n = 0; n < 300; n++) put(app.root, `logs/celerybeat-schedule.${n}`);
    const survey = vi.spyOn(Processes.prototype, "survey");
    onTestFinished(() => survey.mockRestore());
    const { report } = await app.run("clean-temp-files");
    expect(report.totals.done).toBe(300);
    expect(survey.mock.calls.length).toBeGreaterThanOrEqual(2); // a first look, and one right before the removals
    expect(survey.mock.calls.length).toBeLessThan(60);
  });

  test("when beat starts between the first look and the removal", async () => {
    const app = await makeApp(CONFIG);
    put(app.root, "logs/celerybeat-schedule");
    const record = vi.spyOn(Manifest.prototype, "record").mockImplementationOnce(async () => {
      await spawnIdle({ cwd: app.root, words: ["celery", "beat"] });
    });
    onTestFinished(() => record.mockRestore());
    expect((await app.run("clean-temp-files")).lines).toEqual([
      expect.stringMatching(/^logs\/celerybeat-schedule: kept: celery-beat is running/),
    ]);
  });

  test("until, in a plan, an earlier stage would have stopped beat", async () => {
    const app = await makeApp(CONFIG);
    put(app.root, "logs/celerybeat-schedule");
    const { pid } = await spawnIdle({ cwd: app.root, words: ["celery", "beat"] });
    put(app.root, "pids/celery_beat.pid", `${pid}`, 0);
    const options = { mode: "plan", presumeStopped: { force: false } } as const;
    expect((await app.run("clean-temp-files", options)).lines).toEqual(["logs/celerybeat-schedule: planned"]);
  });
});

describe("while the world moves", () => {
  test("a directory swapped for a link leads nowhere, and the rest proceeds", async () => {
    const app = await makeApp(CONFIG);
    const outside = temporaryDirectory();
    for (const name of ["a.pyc", "b.pyc", "c.pyc"]) {
      put(app.root, `src/${name}`);
      put(outside, name, "canary");
    }
    put(app.root, "other/d.pyc");
    const before = snapshot(outside);
    let isSwapped = false;
    const { lines } = await app.run("clean-temp-files", {
      onProgress: () => {
        if (isSwapped || readdirSync(join(app.root, "src")).length === 3) return;
        isSwapped = true;
        renameSync(join(app.root, "src"), join(app.root, "moved"));
        symlinkSync(outside, join(app.root, "src"));
      },
    });
    expect(diff(before, snapshot(outside))).toEqual(nothingElse);
    expect(lines).toContain("other/d.pyc: done");
    expect(
      lines.filter((line) => /^src\/.\.pyc: changed: it is (really|a symbolic link)/.test(line)).length,
    ).toBeGreaterThan(0);
  });

  test("what is gone by then counts as done", async () => {
    const app = await makeApp(CONFIG);
    for (const name of ["a.pyc", "b.pyc"]) put(app.root, name);
    const { report } = await app.run("clean-temp-files", {
      onProgress: () => {
        for (const name of ["a.pyc", "b.pyc"]) {
          try {
            unlinkSync(join(app.root, name));
          } catch {} // the one that the job removed itself
        }
      },
    });
    expect(report.totals).toMatchObject({ failed: 0, changed: 0 });
    expect(report.status).toBe("done");
  });

  test("one fails, the rest proceed", async (context) => {
    const app = await makeApp(CONFIG);
    for (const name of ["a.pyc", "b.pyc", "c.pyc"]) put(app.root, name);
    if (!mountAt(join(app.root, "b.pyc"), "--bind", put(app.root, "origin")))
      context.skip("mount is not permitted here");
    const { targets, report } = await app.run("clean-temp-files");
    expect([targets("done"), targets("failed")]).toEqual([["a.pyc", "c.pyc"], ["b.pyc"]]);
    expect(report.status).toBe("partial");
  });

  test("it ends after the current file when the run is aborted", async () => {
    const app = await makeApp(CONFIG);
    for (const name of ["a.pyc", "b.pyc", "c.pyc"]) put(app.root, name);
    const stop = new AbortController();
    const { report, error } = await app.run("clean-temp-files", {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error("enough")),
    });
    expect(error).toMatchObject({ message: "enough" });
    expect(report.totals.done).toBe(1);
  });
});

test("a limit stops the job, and what was done stays in the report", async () => {
  const app = await makeApp(CONFIG.replace("files: 1000", "files: 2"));
  for (const name of ["a.pyc", "b.pyc", "c.pyc"]) put(app.root, name);
  const { error, report } = await app.run("clean-temp-files");
  expect(error).toMatchObject({
    code: "refused",
    message: expect.stringContaining("limits.files (2) is reached"),
  });
  expect(report.totals.done).toBe(2);
});

test("a dry run names exactly what an apply then does, and changes nothing", async () => {
  const app = await makeApp(CONFIG);
  put(app.root, "logs/app.log.2", "x", 8 * DAY);
  put(app.root, "logs/app.log.1", "x", HOUR);
  put(app.root, "src/__pycache__/a.pyc");
  put(app.root, "src/b.pyc");
  put(app.root, "pids/dead.pid", "4194304", 0);
  chmodSync(join(app.root, "src/b.pyc"), 0o400);
  const before = snapshot(app.root);

  const planned = await app.run("clean-temp-files", { mode: "plan" });

  expect(diff(before, snapshot(app.root))).toEqual(nothingElse);
  const done = await app.run("clean-temp-files");
  expect(planned.targets("planned")).toEqual(done.targets("done"));
  expect(planned.targets("kept")).toEqual(done.targets("kept"));
  expect(planned.report.totals.bytes).toBe(done.report.totals.bytes);
  expect(done.targets("done")).toHaveLength(4);
});
