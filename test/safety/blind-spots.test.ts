import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cliIn, jobOf, reasonOf, reportOf, useApplication } from "../support/application.ts";
import { handsOn, openToAll, put, seen } from "../support/hands.ts";
import { asPlainUser, isRoot, plainUserAvailable } from "../support/plain-user.ts";
import { isAlive, spawnIdle, spawnProcess, waitUntil } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

const config = (pidFiles = "pids/*.pid", more = "") => `app: scraper
services: [{ name: workers, pidFiles: "${pidFiles}", matches: 'celery.*\\bworker\\b', grace: 5s }]
${more}`;

/** Works elsewhere: only its pid file leads to it. */
const worker = () => spawnIdle({ words: ["celery", "worker"], cwd: temporaryDirectory() });

describe("a service whose pid file is not followed is not called stopped", () => {
  test("because `pids` is a symbolic link", async () => {
    const root = await useApplication({}, config());
    const outside = temporaryDirectory();
    const { pid } = await worker();
    put(outside, "worker.pid", `${pid}\n`, 0);
    rmdirSync(join(root, "pids"));
    symlinkSync(outside, join(root, "pids"));

    const result = await cliIn(root).run("stop --yes --inline --json");

    const report = reportOf(result);
    expect([result.code, report.verdict]).toEqual([3, "partial"]);
    expect(jobOf(report, "stop-services").reason).toBe(
      "cannot tell what pids stands for: it is a symbolic link, which is not followed",
    );
    expect(isAlive(pid)).toBe(true);
  });

  test("because it is a symbolic link itself", async () => {
    const root = await useApplication({}, config());
    const { pid } = await worker();
    symlinkSync(put(temporaryDirectory(), "worker.pid", `${pid}\n`, 0), join(root, "pids/worker.pid"));

    const result = await cliIn(root).run("stop --yes --inline --json");

    const report = reportOf(result);
    expect([result.code, report.verdict]).toEqual([3, "partial"]);
    expect(jobOf(report, "stop-services").reason).toMatch(/^cannot tell what pids\/worker\.pid stands for: /);
    expect(isAlive(pid)).toBe(true);
  });
});

describe("a service is found and stopped", () => {
  test("though its pid file lies in a preserved directory, and that stays as it is", async () => {
    const root = await useApplication({}, config("data/run/*.pid", "preserve: [data/**]"));
    const { pid } = await worker();
    const file = put(root, "data/run/worker.pid", `${pid}\n`, 0);

    const result = await cliIn(root).run("stop --yes --inline --json");

    expect(isAlive(pid)).toBe(false);
    expect([result.code, reportOf(result).verdict]).toEqual([0, "done"]);
    expect(existsSync(file)).toBe(true);
    expect(reasonOf(reportOf(result), "data/run/worker.pid")).toBe("preserved (data/**)");
  });

  test.each(["pyvenv.cfg", "conda-meta/history"])(
    "though the root is a virtual environment itself (%s)",
    async (mark) => {
      const root = await useApplication({ [mark]: {} }, config());
      const { pid } = await worker();
      const file = put(root, "pids/worker.pid", `${pid}\n`, 0);
      const result = await cliIn(root).run("stop --yes --inline --json");
      expect([isAlive(pid), existsSync(file)]).toEqual([false, false]);
      expect([result.code, reportOf(result).verdict]).toEqual([0, "done"]);
    },
  );
});

test("a dry run does not disturb who waits to write into a FIFO that is called like a pid file", async () => {
  const root = await useApplication({}, config());
  const fifo = join(root, "pids/worker.pid");
  mkdirSync(join(root, "pids"), { recursive: true });
  expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
  const writer = await spawnProcess({
    command: "sh",
    args: ["-c", 'echo ready; echo undisturbed > "$0"', fifo],
    readyLine: /ready/,
  });
  const isBlocked = () => readFileSync(`/proc/${writer.pid}/stat`, "latin1").includes(") S ");
  await waitUntil(isBlocked, "the writer to wait for a reader");

  const { code } = await cliIn(root).run("--dry-run --inline --json");

  expect([0, 3]).toContain(code);
  const read = spawnSync("timeout", ["5", "cat", fifo], { encoding: "utf8" });
  expect(read.stdout).toBe("undisturbed\n");
});

describe.runIf(isRoot && plainUserAvailable())("what root has open, a plain user cannot see", () => {
  test("so that an old temp file goes, which root would keep; the process goes on with it", async () => {
    const root = temporaryDirectory();
    const file = put(root, "logs/app.log.1", "line\n");
    openToAll(root);
    chmodSync(join(root, "logs"), 0o777);
    const { files } = handsOn(root);
    const descriptor = openSync(file, "r+");
    try {
      expect(files.openedBy(seen(files, "logs/app.log.1"))).toBe(process.pid);
      const answer = asPlainUser(
        `const { files } = handsOn(facts.root);
         const entry = files.look("logs/app.log.1");
         answer([files.openedBy(entry) ?? null, (await files.removeOne({ entry, reason: "old" })).outcome]);`,
        { root },
      );
      expect(answer).toEqual([null, "done"]);
      expect([existsSync(file), readFileSync(descriptor, "utf8")]).toEqual([false, "line\n"]);
    } finally {
      closeSync(descriptor);
    }
  });

  test("and `check` says so beforehand", async () => {
    const root = temporaryDirectory();
    openToAll(root);
    const answer = asPlainUser(
      `const { environmentWarnings } = await import(dist + "system/environment.js");
       const url = "redis://127.0.0.1:1/0";
       answer(await environmentWarnings({ redis: { url }, queue: { url }, pidNamespace: "auto" }));`,
      { root },
    );
    expect(answer).toContainEqual({
      path: "this user",
      message: expect.stringMatching(/^not root: .* locks are kept, and an old temp file goes though/),
      hint: "run it as root to have both judged and every service stopped",
    });
  });
});
