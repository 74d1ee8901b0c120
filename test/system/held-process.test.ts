import { readdirSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { HeldProcess } from "../../src/system/held-process.ts";
import { readProcess } from "../../src/system/proc.ts";
import { ended, spawnIdle } from "../support/processes.ts";

function hold(process: { pid: number; startTicks?: number }): HeldProcess {
  const held = HeldProcess.of(process);
  if (typeof held === "string") throw new Error(`expected to hold pid ${process.pid}, but ${held}`);
  onTestFinished(() => held.release());
  return held;
}

test("a process is held as it was observed", async () => {
  const { pid } = await spawnIdle({ words: ["worker"] });
  const process = readProcess(pid);
  expect(hold({ pid })).toMatchObject({ ...process });
  expect(hold({ pid }).look()).toEqual(process);
});

test("what is held of a process that has ended tells nothing, whoever has its number", async () => {
  const { pid, child } = await spawnIdle();
  const held = hold({ pid });
  expect(held.isRunning()).toBe(true);
  child.kill("SIGKILL");
  await ended(child);
  expect([held.look(), held.stat(), held.isRunning()]).toEqual([undefined, undefined, false]);
});

test("what was released counts as ended: its descriptor may be anybody's", async () => {
  const { pid } = await spawnIdle();
  const held = hold({ pid });
  held.release();
  held.release();
  expect([held.fd, held.isRunning(), held.look()]).toEqual([-1, false, undefined]);
});

test("only the process that was observed is held", async () => {
  const { pid, child } = await spawnIdle();
  const { startTicks } = hold({ pid });
  const thread =
    readdirSync(`/proc/${pid}/task`)
      .map(Number)
      .find((id) => id !== pid) ?? 0;
  expect(HeldProcess.of({ pid, startTicks: startTicks - 1 })).toBe("another process has its number");
  expect(HeldProcess.of({ pid: thread })).toBe("a thread has its number");
  child.kill("SIGKILL");
  await ended(child);
  expect(HeldProcess.of({ pid, startTicks })).toBe("it has ended");
});

test("no descriptor is left of what could not be held", () => {
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const before = descriptors();
  for (let n = 0; n < 20; n += 1) HeldProcess.of({ pid: process.pid, startTicks: 1 });
  expect(descriptors()).toBe(before);
});
