import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { expect, test } from "vitest";
import { systemClock } from "../../src/system/clock.ts";
import { programsAmong } from "../../src/system/strays.ts";
import { makeApp } from "../support/app.ts";

/* Locks of jobs are renewed by timers: whoever holds the event loop for long loses them. `bench/results.md` has figures. */

const FILES = 10_000;
/** Far more than there should be, as tests share the machine; far less than it takes to remove so many files. */
const MOST_MS = 600;

/** The monitor measures from one firing of its timer to the next: it must have fired before, and once more after. */
const aLook = () => new Promise((resolve) => setTimeout(resolve, 20));

test.each([
  { what: "files", config: 'files: "tmp/**"' },
  { what: "a directory as a unit", config: 'directories: tmp/many, holding: ["*"]' },
  { what: "nothing of it", config: 'files: "tmp/**/*.none"' },
])(
  `cleaning up a directory of ${FILES} ($what) leaves the event loop its turns`,
  async ({ what, config }) => {
    const app = await makeApp(`temp: [{ ${config} }]`);
    mkdirSync(join(app.root, "tmp/many"), { recursive: true });
    execFileSync("sh", ["-c", `seq ${FILES} | xargs touch`], { cwd: join(app.root, "tmp/many") });
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await aLook();
    const { report } = await app.run("clean-temp-files");
    await aLook();
    delay.disable();
    expect(report.totals.done).toBe(what === "files" ? FILES : what === "nothing of it" ? 0 : 1);
    expect(delay.max / 1e6).toBeLessThan(MOST_MS);
  },
);

test("looking for services among programs whose arguments are made to be slow to match, too", async () => {
  const commandLine = "celery ".repeat(1_170); // as much of it as is read
  const programs = Array.from({ length: 400 }, (_, index) => ({
    ...{ pid: 10_000 + index, parentPid: 1, startTicks: 1, startedAtMs: 0, commandLine },
  }));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await aLook();
  const found = await programsAmong(programs, /celery.*\bworker\b/, systemClock);
  await aLook();
  delay.disable();
  expect(found).toEqual([]);
  expect(delay.max / 1e6).toBeLessThan(MOST_MS);
});
