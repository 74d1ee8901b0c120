import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Service } from "../../src/config/config.ts";
import { CeleryTasks } from "../../src/system/celery-tasks.ts";
import { systemClock as clock } from "../../src/system/clock.ts";
import { type Process, readProcess } from "../../src/system/proc.ts";
import { listKin } from "../../src/system/process-list.ts";
import { kill, shutDownWarmly } from "../../src/system/stopping.ts";
import { handsOn, mountAt, serviceOf } from "../support/hands.ts";
import { isRoot } from "../support/plain-user.ts";
import { commandLineOf, ended, isAlive, spawnIdle, spawnProcess, waitUntil } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

function options(root = temporaryDirectory(), signal = new AbortController().signal) {
  const { processes } = handsOn(root, { signal });
  return {
    ...{ processes, clock, signal, onWait: () => {} },
    celery: new CeleryTasks("redis://127.0.0.1:1/0", "none", clock),
  };
}

function evidence({ pid }: { pid: number }) {
  const process = readProcess(pid);
  if (process === undefined) throw new Error(`expected pid ${pid} to run`);
  return process;
}

const inSession = (pid: number) => listKin().filter(({ sessionId }) => sessionId === pid);

async function perl(program: string, ...words: string[]) {
  return spawnProcess({
    ...{ command: "perl", args: ["-e", `$| = 1; ${program}`, ...words], readyLine: /ready/ },
  });
}

async function timed<T>(work: Promise<T>): Promise<[T, number]> {
  const startedAtMs = performance.now();
  return [await work, performance.now() - startedAtMs];
}

/** Each ends by itself after a while, so that a failing test does not take the machine with it. */
const RESTLESS = {
  "parents that stay": "fork if $n++ < 9; select undef, undef, undef, 0.01;",
  "children that outlive their parents, one after another": "fork and exit;",
};

describe("one that was asked before", () => {
  /** To it, as to RQ, the second SIGTERM means "at once"; it ends by itself when `go` is there. */
  const worker = (root: string) =>
    perl(
      `$SIG{TERM} = sub { exit 1 if $n++; print "asked\\n" }; print "ready\\n";
       select undef, undef, undef, 0.02 while !-e $ARGV[0]; print "done\\n"`,
      join(root, "go"),
      "worker",
    );

  /** An attempt that is cut off as soon as it has asked; as a process that is killed, it does nothing after that. */
  async function cutOff(process: Process, root: string, service: Service): Promise<void> {
    const stop = new AbortController();
    const given = options(root, stop.signal);
    const effect = await shutDownWarmly(process, service, { ...given, onWait: () => stop.abort() });
    expect(effect).toMatchObject({ outcome: "failed" });
  }

  test("within its grace is not asked again, and gets the rest of it", async () => {
    const root = temporaryDirectory();
    const main = await worker(root);
    const service = serviceOf("worker", { graceMs: 20_000 });
    await cutOff(evidence(main), root, service);

    const onWait = () => writeFileSync(join(root, "go"), "");
    const effect = await shutDownWarmly(evidence(main), service, { ...options(root), onWait });

    const reason = expect.stringMatching(/^stopped in \S+, having been asked \S+ before$/);
    expect(effect).toMatchObject({ outcome: "done", reason });
    await ended(main.child);
    expect(main.child.exitCode).toBe(0);
    expect(readdirSync(join(root, ".safe-shutdown"))).toEqual([]);
  });

  test("is killed at the end of that one grace", async () => {
    const root = temporaryDirectory();
    const main = await worker(root);
    const service = serviceOf("worker", { graceMs: 3_000 });
    await cutOff(evidence(main), root, service);
    const [note = ""] = readdirSync(join(root, ".safe-shutdown"));
    const atS = Date.now() / 1_000 - 2.5;
    utimesSync(join(root, ".safe-shutdown", note), atS, atS);

    const [effect, tookMs] = await timed(shutDownWarmly(evidence(main), service, options(root)));

    const reason = "still running after 3s, killed (1 process)";
    expect(effect).toMatchObject({ outcome: "done", reason });
    expect(tookMs).toBeLessThan(2_500);
  });

  test.each([
    { what: "before its grace began anew", change: (at: string) => utimesSync(at, 1, 1) },
    { what: "as somebody else's note says", change: (at: string) => chmodSync(at, 0o666) },
    {
      what: "as a link says",
      change: (at: string) => {
        rmSync(at);
        symlinkSync("/etc/passwd", at);
      },
    },
  ])("$what is asked", async ({ change }) => {
    const root = temporaryDirectory();
    const main = await worker(root);
    const service = serviceOf("worker", { graceMs: 20_000 });
    await cutOff(evidence(main), root, service);
    const [note = ""] = readdirSync(join(root, ".safe-shutdown"));
    change(join(root, ".safe-shutdown", note));

    const effect = await shutDownWarmly(evidence(main), service, options(root));
    expect(effect).toMatchObject({ outcome: "done", reason: expect.stringMatching(/^stopped in \S+$/) });
    await ended(main.child);
    expect(main.child.exitCode).toBe(1);
  });
});

test.each(Object.entries(RESTLESS))("processes that start others are all killed: %s", async (_who, act) => {
  const main = await perl(
    `unless (fork) { my $until = time + 20; print "ready\\n"; while (time < $until) { ${act} } exit } sleep 600`,
    "worker",
  );

  const [effect, tookMs] = await timed(kill(evidence(main), serviceOf("worker"), options()));

  expect(effect).toMatchObject({
    outcome: "done",
    reason: expect.stringMatching(/^killed \(\d+ processes\)/),
  });
  expect(inSession(main.pid)).toEqual([]);
  expect(tookMs).toBeLessThan(10_000);
});

test("a child that loses its parent during the grace is killed with the rest", async () => {
  const main = await perl(
    `$SIG{TERM} = sub { unless (fork) { fork or exec "sleep", "600"; exit } wait };
     print "ready\\n"; sleep 1 while 1`,
    "worker",
  );
  const service: Service = serviceOf("worker", { graceMs: 500 });

  const effect = await shutDownWarmly(evidence(main), service, options());

  expect(effect).toMatchObject({ outcome: "done", reason: expect.stringMatching(/killed \(2 processes\)$/) });
  expect(inSession(main.pid)).toEqual([]);
});

test("a child that was started during the grace, and outlives its parent, is killed", async () => {
  const main = await perl(
    `$SIG{TERM} = sub { fork or exec "sleep", "600"; select undef, undef, undef, 1.5; exit };
     print "ready\\n"; sleep 1 while 1`,
    "worker",
  );

  const effect = await shutDownWarmly(evidence(main), serviceOf("worker", { graceMs: 4_000 }), options());

  expect(effect).toMatchObject({ outcome: "done", reason: expect.stringMatching(/killed \(1 process\)$/) });
  expect(inSession(main.pid)).toEqual([]);
});

test("a process that became another program is not killed, nor stopped, nor what it has started", async () => {
  const root = temporaryDirectory();
  const { pid } = await spawnProcess({
    command: "sh",
    args: ["-c", "sleep 600 & echo ready; while [ ! -e go ]; do sleep 0.02; done; exec sleep 601", "worker"],
    cwd: root,
    readyLine: /ready/,
  });
  const process = evidence({ pid });
  writeFileSync(join(root, "go"), "");
  await waitUntil(() => commandLineOf(pid) === "sleep 601", "the exec");

  expect(await kill(process, serviceOf("worker"), options())).toEqual({
    outcome: "changed",
    reason: "its command line does not match any more",
  });

  for (const one of inSession(pid)) {
    const state = execFileSync("ps", ["-o", "stat=", "-p", `${one.pid}`], { encoding: "utf8" });
    expect(state).toMatch(/^S/);
  }
});

test("nobody is killed for a run that was aborted", async () => {
  const main = await spawnIdle({ words: ["worker"] });
  const effect = await kill(evidence(main), serviceOf("worker"), {
    ...options(),
    signal: AbortSignal.abort(),
  });
  expect(effect).toEqual({
    outcome: "failed",
    reason: "was to be killed, and is still running",
  });
  expect(isAlive(main.pid)).toBe(true);
});

test("where nothing can signal exactly, the number must do", async () => {
  const given = options();
  const { processes } = handsOn(temporaryDirectory(), { senders: [] });
  const main = await spawnIdle({ words: ["worker"] });
  const effect = await kill(evidence(main), serviceOf("worker"), { ...given, processes });
  expect(effect).toMatchObject({ outcome: "done", reason: "killed (1 process)" });
  expect(isAlive(main.pid)).toBe(false);
});

test.runIf(isRoot)(
  "one in uninterruptible sleep is waited for a while, and named for what it is",
  async (context) => {
    const directory = temporaryDirectory();
    const image = join(directory, "image");
    const mount = join(directory, "mount");
    mkdirSync(mount);
    execFileSync("truncate", ["-s", "16M", image]);
    if (spawnSync("mkfs.ext4", ["-q", image]).status !== 0 || !mountAt(mount, "-o", "loop", image))
      context.skip("a file system of one's own is not permitted here");
    const main = await spawnProcess({
      command: "sh",
      args: ["-c", "echo ready; while [ ! -e go ]; do sleep 0.02; done; exec tee mount/file", "worker"],
      cwd: directory,
      readyLine: /ready/,
    });
    expect(spawnSync("fsfreeze", ["-f", mount]).status).toBe(0);
    onTestFinished(() => {
      spawnSync("fsfreeze", ["-u", mount]);
    });
    writeFileSync(join(directory, "go"), "");
    const isStuck = () => commandLineOf(main.pid).startsWith("tee") && / D /.test(statOf(main.pid));
    await waitUntil(isStuck, "the write to hang");

    const [effect, tookMs] = await timed(kill(evidence(main), serviceOf("tee"), options()));

    expect(effect).toEqual({
      outcome: "failed",
      reason: `killed, but still there: pid ${main.pid}, in uninterruptible sleep until the disk or network they wait for answers`,
    });
    expect(tookMs).toBeLessThan(10_000);
    spawnSync("fsfreeze", ["-u", mount]);
    await waitUntil(() => !isAlive(main.pid), "the killed one to end");
  },
);

function statOf(pid: number): string {
  return execFileSync("cat", [`/proc/${pid}/stat`], { encoding: "utf8" });
}
