import { chmodSync, renameSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LOCK_MAX_BYTES } from "../../src/system/lock-owner.ts";
import { handsOn, openToAll, put, seen } from "../support/hands.ts";
import { asPlainUser, isRoot, plainUserAvailable } from "../support/plain-user.ts";
import { ended, spawnIdle, spawnProcess } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

/** Holds `a.lock` in a way of its own, in Python, whose `fcntl` module knows them all. */
async function python(root: string, act: string): Promise<number> {
  const program = `import fcntl, struct, sys, time
f = open("a.lock", "r+")
${act}
print("ready", flush=True)
time.sleep(600)`;
  return (
    await spawnProcess({ command: "/usr/bin/python3", args: ["-c", program], cwd: root, readyLine: /ready/ })
  ).pid;
}

const OFD = (type: string) =>
  `fcntl.fcntl(f, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.${type}, 0, 0, 0, 0))`;

function holderOf(root: string, presumed: number[] = []) {
  const hands = handsOn(root, { presumed: { pids: new Set(presumed), paths: new Set() } });
  return hands.locks.holderOf(seen(hands.files, "a.lock"));
}

// as a plain user, processes of others are hidden: what nobody holds is then unknown
const nobody = isRoot ? { state: "free" } : { state: "unknown" };

describe("a lock is live", () => {
  test.each([
    { while: "its whole file is locked with flock", act: "fcntl.flock(f, fcntl.LOCK_EX)", how: "flock" },
    { while: "it is shared with flock", act: "fcntl.flock(f, fcntl.LOCK_SH)", how: "flock" },
    { while: "it is locked with fcntl (POSIX)", act: "fcntl.lockf(f, fcntl.LOCK_EX)", how: "posix" },
    { while: "a single byte is locked", act: "fcntl.lockf(f, fcntl.LOCK_EX, 1, 1000000)", how: "posix" },
    { while: "it is locked with an OFD lock", act: OFD("F_WRLCK"), how: "ofdlck" },
    { while: "it is read-locked with an OFD lock", act: OFD("F_RDLCK"), how: "ofdlck" },
    { while: "it is merely open", act: "", how: "has it open" },
  ])("while $while", async ({ act, how }) => {
    const root = temporaryDirectory();
    put(root, "a.lock", "x");
    const pid = await python(root, act);
    expect(holderOf(root)).toEqual({ state: "live", pid, how });
  });

  test("while flock(1) holds it for a command", async () => {
    const root = temporaryDirectory();
    put(root, "a.lock", "");
    await spawnProcess({
      command: "flock",
      args: ["a.lock", "sh", "-c", "echo ready; sleep 600; :"],
      cwd: root,
      readyLine: /ready/,
    });
    expect(holderOf(root)).toMatchObject({ state: "live", how: "flock" });
  });

  test.each([
    { form: "a pid", content: (pid: number) => `${pid}\n` },
    { form: "pid host", content: (pid: number) => `${pid} ${hostname()}\n` },
    { form: "host-pid", content: (pid: number) => `${hostname()}-${pid}` },
    { form: "JSON", content: (pid: number) => JSON.stringify({ pid, hostname: hostname() }) },
  ])("while the owner named in it as $form is", async ({ content }) => {
    const root = temporaryDirectory();
    const { pid, child } = await spawnIdle();
    put(root, "a.lock", content(pid));
    expect(holderOf(root)).toEqual({ state: "live", pid, how: "named in it" });

    child.kill("SIGKILL");
    await ended(child);
    expect(holderOf(root)).toMatchObject(nobody);
  });
});

test.runIf(isRoot)("the last look is a new one: it sees who opened the lock since", async () => {
  const root = temporaryDirectory();
  put(root, "a.lock", "x");
  const { files, locks } = handsOn(root);
  const entry = seen(files, "a.lock");
  expect(locks.holderOf(entry)).toEqual({ state: "free" });
  const pid = await python(root, "");
  expect(locks.holderNow(entry)).toEqual({ state: "live", pid, how: "has it open" });
});

describe("a lock is free", () => {
  test.each([
    { when: "it is empty", content: "" },
    { when: "it names nobody", content: "locked" },
  ])("when $when and nobody has it", ({ content }) => {
    const root = temporaryDirectory();
    put(root, "a.lock", content);
    expect(holderOf(root)).toMatchObject(nobody);
  });

  test("when a process holds another file that had its name before", async () => {
    const root = temporaryDirectory();
    put(root, "a.lock", "old");
    await python(root, "fcntl.flock(f, fcntl.LOCK_EX)");
    renameSync(put(root, "new", "new"), join(root, "a.lock"));
    expect(holderOf(root)).toMatchObject(nobody);
  });

  test("when its holder would have been stopped by an earlier stage of the plan", async () => {
    const root = temporaryDirectory();
    put(root, "a.lock", "x");
    const pid = await python(root, "fcntl.flock(f, fcntl.LOCK_EX)");
    expect(holderOf(root, [pid])).toMatchObject(nobody);
    put(root, "a.lock", `${pid}`);
    expect(holderOf(root, [pid])).toMatchObject(nobody);
  });
});

describe("nobody can tell whether a lock is held", () => {
  test.each([
    { when: "its owner is on another host", content: "1 elsewhere", why: "it names pid 1 on elsewhere" },
    {
      when: "it is longer than a lock",
      content: " ".repeat(LOCK_MAX_BYTES + 1),
      why: "it is too long to be looked through",
    },
  ])("when $when", ({ content, why }) => {
    const root = temporaryDirectory();
    put(root, "a.lock", content);
    expect(holderOf(root)).toEqual({ state: "unknown", why });
  });

  test("when it was replaced since it was looked at", () => {
    const root = temporaryDirectory();
    put(root, "a.lock", "1");
    const { files, locks } = handsOn(root);
    const entry = seen(files, "a.lock");
    put(root, "a.lock", "2", 0);
    expect(locks.holderOf(entry)).toEqual({ state: "unknown", why: "it cannot be read" });
  });
});

describe.skipIf(!plainUserAvailable() || !isRoot)("as a plain user (skipped unless run by root)", () => {
  const ASK = `const { files, locks } = handsOn(facts.root); answer(locks.holderOf(files.look("a.lock")));`;

  function rootForAll(): string {
    const root = temporaryDirectory();
    openToAll(root);
    put(root, "a.lock", "");
    return root;
  }

  test("a lock that nobody can be seen to hold is unknown, and it is said that root could tell", () => {
    expect(asPlainUser(ASK, { root: rootForAll() })).toEqual({
      state: "unknown",
      why: expect.stringMatching(/^\d+ processes of other users cannot be looked into; root could$/),
    });
  });

  test("a lock that root has open is unknown, not free", async () => {
    const root = rootForAll();
    await python(root, "");
    expect(asPlainUser(ASK, { root })).toMatchObject({ state: "unknown" });
  });

  test.each([
    { kind: "flock", act: "fcntl.flock(f, fcntl.LOCK_EX)" },
    { kind: "posix", act: "fcntl.lockf(f, fcntl.LOCK_EX)" },
  ])("a $kind lock of root is found by the kernel's own list", async ({ kind, act }) => {
    const root = rootForAll();
    const pid = await python(root, act);
    expect(asPlainUser(ASK, { root })).toEqual({ state: "live", pid, how: kind });
  });

  test("an OFD lock of root, which the kernel lists without its holder, is not free", async () => {
    const root = rootForAll();
    await python(root, OFD("F_WRLCK"));
    expect(asPlainUser(ASK, { root })).toEqual({
      state: "unknown",
      why: "it is locked (ofdlck) by a process that cannot be seen",
    });
  });

  test("a lock that cannot be read is unknown", () => {
    const root = rootForAll();
    chmodSync(join(root, "a.lock"), 0o600);
    expect(asPlainUser(ASK, { root })).toEqual({ state: "unknown", why: "it cannot be read" });
  });
});
