import { existsSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readProcess } from "../../src/system/proc.ts";
import { makeApp } from "../support/app.ts";
import { cliIn, jobOf, reasonOf, reportOf, useApplication } from "../support/application.ts";
import { age, HOUR, handsOn, MINUTE, put, seen, serviceOf } from "../support/hands.ts";
import { isAlive, spawnIdle } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

const WORKERS = `services: [{ name: workers, pidFiles: pids/worker.pid, matches: 'celery.*\\bworker\\b', grace: 2s }]`;
const CONFIG = `app: scraper\n${WORKERS}`;
const WORDS = ["celery", "worker"];

describe("a deployment that was copied, pid files and all", () => {
  test.each([
    { lateMs: 10 * MINUTE - 1, elsewhere: true, state: "running" },
    { lateMs: 10 * MINUTE + 1, elsewhere: true, state: "unsure" },
    { lateMs: 10 * MINUTE + 1, elsewhere: false, state: "running" },
  ])(
    "a pid file written $lateMs ms after its process started, which works elsewhere: $elsewhere; it is $state",
    async ({ lateMs, elsewhere, state }) => {
      const root = temporaryDirectory();
      const { pid } = await spawnIdle({ words: WORDS, cwd: elsewhere ? temporaryDirectory() : root });
      const path = put(root, "worker.pid", `${pid}\n`);
      const writtenAt = new Date((readProcess(pid)?.startedAtMs ?? 0) + lateMs);
      utimesSync(path, writtenAt, writtenAt);
      const { files, processes } = handsOn(root);

      const finding = processes.identify(seen(files, "worker.pid"), serviceOf("celery"));

      expect(finding.state).toBe(state);
      if (finding.state === "unsure")
        expect(finding).toMatchObject({
          mayRun: true,
          reason: `pid ${pid} works elsewhere and is older than this file, which may be a copy`,
        });
    },
  );

  test.each(["--yes", "--force"])(
    "stop %s leaves the original running, and is not called done",
    async (flag) => {
      const root = await useApplication({}, CONFIG);
      const original = await spawnIdle({ words: WORDS, cwd: temporaryDirectory() });
      const copy = put(root, "pids/worker.pid", `${original.pid}\n`, -11 * MINUTE); // as copied 11 minutes later

      const result = await cliIn(root).run(`stop ${flag} --inline --json`);

      const report = reportOf(result);
      expect(result.code).toBe(3);
      expect(report.verdict).toBe("partial");
      expect(reasonOf(report, "pids/worker.pid")).toMatch(/works elsewhere and is older than this file/);
      expect(jobOf(report, "stop-services").reason).toMatch(
        /^cannot tell what pids\/worker\.pid stands for: /,
      );
      expect([isAlive(original.pid), existsSync(copy)]).toEqual([true, true]);
    },
  );
});

describe("a live worker whose pid file looks an hour old", () => {
  test("is told of: the file is kept, and the run is partial", async () => {
    const root = await useApplication({}, CONFIG);
    const worker = await spawnIdle({ words: WORDS, cwd: root });
    const file = put(root, "pids/worker.pid", `${worker.pid}\n`);
    age(file, HOUR);

    const result = await cliIn(root).run("stop --yes --inline --json");

    const report = reportOf(result);
    expect(reasonOf(report, "pids/worker.pid")).toBe(
      `pid ${worker.pid} is another process now, started after this file, but it looks like a service`,
    );
    expect([isAlive(worker.pid), existsSync(file)]).toEqual([true, true]);
    expect([result.code, report.verdict]).toEqual([3, "partial"]);
  });

  test("is not cleaned away as a leftover", async () => {
    const app = await makeApp(`${WORKERS}\ntemp: [{ pidFiles: "pids/*.pid" }]`);
    const worker = await spawnIdle({ words: WORDS, cwd: app.root });
    put(app.root, "pids/worker.pid", `${worker.pid}\n`, HOUR);
    const { lines } = await app.run("clean-temp-files");
    expect(lines).toEqual([expect.stringMatching(/^pids\/worker\.pid: kept: .* it looks like a service$/)]);
    expect(existsSync(join(app.root, "pids/worker.pid"))).toBe(true);
  });
});
