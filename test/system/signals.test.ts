import { existsSync, readFileSync } from "node:fs";
import { expect, onTestFinished, test, vi } from "vitest";
import { SENDER_NAMES } from "../../src/system/exact-signal.ts";
import { HeldProcess } from "../../src/system/held-process.ts";
import { Signals, type SignalsOptions } from "../../src/system/signals.ts";
import { ended, isAlive, spawnIdle } from "../support/processes.ts";

async function held() {
  const one = await spawnIdle({ words: ["worker"] });
  const process = HeldProcess.of(one);
  if (typeof process === "string") throw new Error(process);
  onTestFinished(() => process.release());
  return { ...one, process };
}

const signals = (options: Partial<SignalsOptions> = {}) =>
  new Signals({ mode: "apply", own: new Set(), ...options });
const any = () => undefined;

/** By SIGSTOP or the like (proc(5)). */
function isStopped(pid: number): boolean {
  return /\) T /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
}

/** The numbers that are signalled by kill(2); the signal 0 only asks. */
function numbersSignalled() {
  const kill = vi.spyOn(process, "kill");
  onTestFinished(() => kill.mockRestore());
  return () => kill.mock.calls.filter(([, signal]) => signal !== 0).map(([pid]) => pid);
}

test.runIf(SENDER_NAMES.some((name) => existsSync(name)))(
  "a signal goes to what is held: no number is signalled, which could be another's by then",
  async () => {
    const one = await held();
    const numbers = numbersSignalled();
    expect(signals().sendAll([one.process], "SIGTERM", any)).toEqual([{ outcome: "done" }]);
    await ended(one.child);
    expect(numbers()).toEqual([]);
  },
);

test("where nothing can do that, its number is signalled after one more look", async () => {
  const [one, gone] = [await held(), await held()];
  gone.child.kill("SIGKILL");
  await ended(gone.child);
  const numbers = numbersSignalled();
  signals({ senders: [] }).sendAll([one.process, gone.process], "SIGTERM", any);
  await ended(one.child);
  expect(numbers()).toEqual([one.pid]);
});

test("each of several is judged by itself, and the effects are in their order", async () => {
  const [main, child, other] = [await held(), await held(), await held()];
  const effects = signals({ own: new Set([other.pid]) }).sendAll(
    [other.process, main.process, child.process],
    "SIGKILL",
    (one) => (one === main.process ? { matches: /flower/ } : undefined),
  );
  expect(effects).toEqual([
    { outcome: "failed", reason: "it is safe-shutdown or its parent" },
    { outcome: "changed", reason: "its command line does not match any more" },
    { outcome: "done" },
  ]);
  await ended(child.child);
  expect([isAlive(main.pid), isAlive(other.pid)]).toEqual([true, true]);
});

test("neither a plan nor our own session stops a group", async () => {
  const one = await held();
  signals({ mode: "plan" }).stopGroups([one.process]);
  signals({ own: new Set([one.pid]) }).stopGroups([one.process]);
  expect(isStopped(one.pid)).toBe(false);
  signals().stopGroups([one.process]);
  await vi.waitUntil(() => isStopped(one.pid));
});

test("a group is stopped by its number where nothing else can", async () => {
  const one = await held();
  const numbers = numbersSignalled();
  signals({ senders: [] }).stopGroups([one.process]);
  expect(numbers()).toEqual([-one.pid]);
  await vi.waitUntil(() => isStopped(one.pid));
});
