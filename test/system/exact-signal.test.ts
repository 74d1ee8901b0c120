import { existsSync } from "node:fs";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { canSendExactly, SENDER_NAMES, sendThrough } from "../../src/system/exact-signal.ts";
import { HeldProcess } from "../../src/system/held-process.ts";
import { ended, type LongLived, spawnIdle } from "../support/processes.ts";

async function held(): Promise<LongLived & { held: HeldProcess }> {
  const process = await spawnIdle();
  const held = HeldProcess.of(process);
  if (typeof held === "string") throw new Error(held);
  onTestFinished(() => held.release());
  return { ...process, held };
}

async function heldOfEnded(): Promise<HeldProcess> {
  const one = await held();
  one.child.kill("SIGKILL");
  await ended(one.child);
  return one.held;
}

describe.each(SENDER_NAMES.filter((command) => existsSync(command)))("by %s", (sender) => {
  const senders = [sender];

  test("a signal reaches what is held, and nobody else", async () => {
    const [one, other] = [await held(), await held()];
    expect(sendThrough([one.held.fd], "SIGTERM", { senders })).toEqual(["sent"]);
    await ended(one.child);
    expect([one.child.signalCode, other.held.isRunning()]).toEqual(["SIGTERM", true]);
  });

  test("each of several is told apart, in order", async () => {
    const [one, gone, other] = [await held(), await heldOfEnded(), await held()];
    const fds = [one.held.fd, gone.fd, other.held.fd];
    expect(sendThrough(fds, "SIGKILL", { senders })).toEqual(["sent", "gone", "sent"]);
    await Promise.all([ended(one.child), ended(other.child)]);
  });

  test("what is no process is not signalled", () => {
    expect(sendThrough([0], "SIGTERM", { senders })).toEqual(["unable"]);
  });

  test("more than are sent at once are all answered", async () => {
    const one = await held();
    const sent = sendThrough(new Array(450).fill(one.held.fd), "SIGKILL", { senders });
    expect(sent).toHaveLength(450);
    expect(new Set(sent)).not.toContain("unable");
    await ended(one.child);
  });

  test("what our environment says to the sender is not heard", async () => {
    vi.stubEnv("PERL5OPT", "-MNo::Such::Module");
    vi.stubEnv("PYTHONHOME", "/nowhere");
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    const one = await held();
    expect(sendThrough([one.held.fd], "SIGKILL", { senders })).toEqual(["sent"]);
    await ended(one.child);
  });
});

test("where there is no sender, nothing is sent", async () => {
  const one = await held();
  for (const senders of [[], ["/nowhere/perl"]]) {
    expect(canSendExactly(senders)).toBe(false);
    expect(sendThrough([one.held.fd], "SIGKILL", { senders })).toEqual(["unable"]);
  }
  expect(one.held.isRunning()).toBe(true);
});
