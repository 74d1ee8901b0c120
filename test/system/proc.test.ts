import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  ifThere,
  isKernelThread,
  isStillRunning,
  readProcess,
  workingDirectoryOf,
} from "../../src/system/proc.ts";
import { listPids, listProcesses } from "../../src/system/process-list.ts";
import { ended, spawnIdle, spawnProcess, waitUntil } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

describe("a process is read", () => {
  test.each(["sleep (sbin) R 1", "a) Z 0 (b", "((((", "))))", "two words"])(
    "with its parent and start time when it is called %j",
    async (name) => {
      const command = join(temporaryDirectory(), name);
      copyFileSync("/bin/sleep", command);
      const before = Date.now();
      const { pid } = await spawnProcess({ command, args: ["600"] });

      const read = readProcess(pid);

      expect(readFileSync(`/proc/${pid}/comm`, "latin1")).toBe(`${name.slice(0, 15)}\n`);
      expect(read).toMatchObject({ pid, parentPid: process.pid, commandLine: `${command} 600` });
      expect(read?.startedAtMs).toBeGreaterThan(before - 2_000);
      expect(read?.startedAtMs).toBeLessThanOrEqual(Date.now());
    },
  );

  test("with all words of its command line, empty ones too", async () => {
    const { pid } = await spawnIdle({ words: ["a b", "", "c"] });
    expect(readProcess(pid)?.commandLine).toMatch(/ a b {2}c$/);
  });

  test("with no more of its command line than an expression can be asked about in no time", async () => {
    const { pid } = await spawnIdle({ words: [`x${"celery".repeat(20_000)}`] });
    const commandLine = readProcess(pid)?.commandLine ?? "";
    expect(commandLine).toHaveLength(8_192);
    const startedAtMs = performance.now();
    expect(commandLine).not.toMatch(/celery.*\bworker\b/);
    expect(performance.now() - startedAtMs).toBeLessThan(2_000);
  });

  test("as none when nothing has that pid", async () => {
    const { pid, child } = await spawnIdle();
    child.kill("SIGKILL");
    await ended(child);
    expect(readProcess(pid)).toBeUndefined();
    expect([workingDirectoryOf(pid), isKernelThread(pid)]).toEqual([undefined, false]);
  });
});

test("a zombie has ended, though its pid is still taken", async () => {
  const { pid: parent } = await spawnProcess({
    command: "perl",
    args: ["-e", '$| = 1; my $p = fork(); exit 0 unless $p; print "$p\\n"; sleep 600;'],
    readyLine: /^\d+$/,
  });
  const childOf = () => readFileSync(`/proc/${parent}/task/${parent}/children`, "latin1").trim();
  const pid = Number(childOf());
  const stateOf = () => /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1];
  await waitUntil(() => stateOf() === "Z", "the child to be a zombie");

  expect(readProcess(pid)).toBeUndefined();
  expect(
    isStillRunning({ pid, parentPid: parent, startTicks: startTicks(pid), startedAtMs: 0, commandLine: "" }),
  ).toBe(false);
  expect(listProcesses().map((process) => process.pid)).not.toContain(pid);
  expect(listPids()).toContain(pid);
});

test("a process is still running only while pid and start time are both the same", async () => {
  const { pid, child } = await spawnIdle();
  const process = readProcess(pid);
  if (process === undefined) throw new Error("expected a process");

  expect(isStillRunning(process)).toBe(true);
  expect(isStillRunning({ ...process, startTicks: process.startTicks - 1 })).toBe(false);
  child.kill("SIGKILL");
  await ended(child);
  expect(isStillRunning(process)).toBe(false);
});

test("the working directory of a process is told", async () => {
  const cwd = temporaryDirectory();
  const { pid } = await spawnIdle({ cwd });
  expect(workingDirectoryOf(pid)).toBe(cwd);
});

test("an error that is not about a vanished process is not swallowed", () => {
  expect(() =>
    ifThere(() => {
      throw new TypeError("a bug");
    }),
  ).toThrow("a bug");
});

function startTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
}
