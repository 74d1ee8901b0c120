import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cliIn, jobOf, reportOf, useApplication } from "../support/application.ts";
import { put } from "../support/hands.ts";
import { spawnIdle, waitUntil } from "../support/processes.ts";

const CONFIG = `app: scraper
services: [{ name: workers, pidFiles: pids/worker.pid, matches: 'celery.*\\bworker\\b', grace: 5s }]
nextSteps: [./start.sh]`;

/** The worker says when it is asked to end; its successor is up before it does. */
const WORKER = `process.on("SIGTERM", () => console.log("asked")); console.log("up"); setTimeout(() => {}, 600_000);`;

/** Like systemd's Restart=always, without its moment of waiting. */
const SUPERVISOR = (script: string) => `
  const start = (isUp) => {
    const worker = require("child_process").spawn(process.execPath, [${JSON.stringify(script)}, "celery", "worker"],
      { stdio: ["ignore", "pipe", "ignore"] });
    worker.stdout.on("data", (said) => {
      if (String(said).includes("up")) {
        require("fs").writeFileSync("pids/worker.pid", worker.pid + "\\n");
        isUp();
      }
      if (String(said).includes("asked")) start(() => worker.kill("SIGKILL"));
    });
  };
  start(() => {})`;

test.each(["stop", "shutdown"])(
  "%s of a service that its supervisor has started again is partial",
  async (flow) => {
    const root = await useApplication({}, CONFIG);
    const file = join(root, "pids/worker.pid");
    writeFileSync(file, "");
    await spawnIdle({ cwd: root, program: SUPERVISOR(put(root, "run.cjs", WORKER)) });
    const pid = () => Number(readFileSync(file, "utf8"));
    await waitUntil(() => pid() > 0, "the first worker");
    const first = pid();

    const result = await cliIn(root).run(`${flow} --yes --inline --json`);

    const report = reportOf(result);
    expect(pid()).not.toBe(first);
    expect(result.code).toBe(3);
    expect(report.verdict).toBe("partial");
    expect(jobOf(report, "check-system")).toMatchObject({
      status: "partial",
      reason: `still running: workers (pid ${pid()})`,
    });
  },
);
