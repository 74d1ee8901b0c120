import { spawnSync } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, type TestContext, test } from "vitest";
import { FILE_SYSTEMS, type FileSystem } from "../support/file-systems.ts";
import { handsOn, mountAt, openToAll, put, seen } from "../support/hands.ts";
import { asPlainUser, isRoot, plainUserAvailable } from "../support/plain-user.ts";
import { spawnProcess } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

/*
 * stat(2) and the kernel's lists name one file by different numbers on overlayfs and btrfs. As root, who may mount.
 */

const LOCK = {
  flock: "fcntl.flock(f, fcntl.LOCK_EX)",
  posix: "fcntl.lockf(f, fcntl.LOCK_EX)",
  "posix on one byte": "fcntl.lockf(f, fcntl.LOCK_SH, 1, 1073741824)",
  ofdlck: `fcntl.fcntl(f, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 7, 9, 0))`,
  "has it open": "",
};
/** The descriptor is closed, but the mapping keeps the file open, and flock's lock with it. */
const MAPPED = `import mmap
fcntl.flock(f, fcntl.LOCK_EX)
kept = mmap.mmap(f.fileno(), 1, prot=mmap.PROT_READ)
f.close()
os.system("true")
for one in os.listdir("/proc/self/fd"):
    if os.path.islink("/proc/self/fd/" + one) and os.readlink("/proc/self/fd/" + one).endswith("a.lock"): os.close(int(one))`;

async function python(root: string, act: string, mode = "r+"): Promise<number> {
  const program = `import fcntl, os, struct, time
f = open("a.lock", "${mode}")
${act}
print("ready", flush=True)
time.sleep(600)`;
  const args = ["-c", program];
  return (await spawnProcess({ command: "/usr/bin/python3", args, cwd: root, readyLine: /ready/ })).pid;
}

function holderOf(root: string, name = "a.lock") {
  const { files, locks } = handsOn(root);
  return locks.holderOf(seen(files, name));
}

/** With `a.lock` and `b.lock` in it, on an overlay in the lower layer. */
function mounted(make: () => FileSystem, context: TestContext): string {
  const one = make();
  const fill = () => {
    for (const name of ["a.lock", "b.lock"]) put(one.below, name, "x");
  };
  if (one.below !== one.root) fill();
  if (!one.mount()) context.skip("it cannot be mounted here");
  if (one.below === one.root) fill();
  openToAll(one.root);
  return one.root;
}

describe.runIf(isRoot).each(Object.entries(FILE_SYSTEMS))("on %s", (_name, make) => {
  test.for(Object.entries(LOCK))(
    "a lock is live by %s, the one beside it free",
    async ([kind, act], context) => {
      const root = mounted(make, context);
      const pid = await python(root, act);
      expect(holderOf(root)).toEqual({ state: "live", pid, how: kind.split(" on ")[0] });
      expect(holderOf(root, "b.lock")).toEqual({ state: "free" });
    },
  );

  test("a lock is live though it was written to since it was opened, which moves it between layers", async (context) => {
    const root = mounted(make, context);
    const pid = await python(root, LOCK.flock, "r");
    appendFileSync(join(root, "a.lock"), "y");
    expect(holderOf(root)).toEqual({ state: "live", pid, how: "flock" });
    expect(holderOf(root, "b.lock")).toEqual({ state: "free" });
  });

  test("a lock is live that was opened under another path, as in a container", async (context) => {
    const root = mounted(make, context);
    const elsewhere = temporaryDirectory();
    if (!mountAt(elsewhere, "--bind", root)) context.skip("it cannot be mounted here");
    const pid = await python(elsewhere, "");
    expect(holderOf(root)).toEqual({ state: "live", pid, how: "has it open" });
    expect(holderOf(root, "b.lock")).toEqual({ state: "free" });
  });

  test("a lock that is held through a mapping, without any descriptor, is live if the kernel says so", async (context) => {
    const root = mounted(make, context);
    const pid = await python(root, MAPPED);
    const isTaken = spawnSync("flock", ["-n", join(root, "a.lock"), "true"]).status === 1; // overlayfs lets it go
    expect(holderOf(root)).toEqual(isTaken ? { state: "live", pid, how: "flock" } : { state: "free" });
    expect(holderOf(root, "b.lock")).toEqual({ state: "free" });
  });

  test.skipIf(!plainUserAvailable())("a plain user is told of a lock that root holds", async (context) => {
    const root = mounted(make, context);
    for (const above of ["..", "../.."]) openToAll(join(root, above));
    const pid = await python(root, LOCK.flock);
    const answer = asPlainUser(
      `const { files, locks } = handsOn(facts.root); answer(locks.holderOf(files.look("a.lock")));`,
      { root },
    );
    expect(answer).toEqual({ state: "live", pid, how: "flock" });
  });
});

test.runIf(isRoot)(
  "a lock on a file system that other hosts may use is not free, unless they are trusted",
  (context) => {
    const root = temporaryDirectory(); // a queue of messages stands for what is not known to be local
    if (!mountAt(root, "-t", "mqueue", "none")) context.skip("mount is not permitted here");
    writeFileSync(join(root, "a.lock"), "");
    expect(holderOf(root)).toEqual({
      state: "unknown",
      why: "it is on mqueue, which other hosts may use; set pidNamespace: trusted when none of them runs the application",
    });
  },
);

test.runIf(isRoot)("where even root may not look into others, it is said what would tell", () => {
  const root = temporaryDirectory();
  openToAll(root);
  put(root, "a.lock", "");
  const without = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"];
  const answer = asPlainUser(
    `const { files, locks } = handsOn(facts.root); answer(locks.holderOf(files.look("a.lock")));`,
    { root },
    without,
  );
  expect(answer).toEqual({
    state: "unknown",
    why: expect.stringMatching(/^\d+ processes cannot be looked into; CAP_SYS_PTRACE would tell$/),
  });
});
