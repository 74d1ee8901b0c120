import { execFileSync, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readStatus } from "../../src/system/proc.ts";
import { makeApp } from "../support/app.ts";
import { HOUR, handsOn, openToAll, put, seen, serviceOf } from "../support/hands.ts";
import { asPlainUserWithHiddenProcesses, isRoot, plainUserAvailable } from "../support/plain-user.ts";
import { isAlive, spawnIdle, spawnProcess, waitUntil } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

const NOBODY = 65_534;
const WORKERS = `services: [{ name: workers, pidFiles: pids/worker.pid, matches: 'celery.*\\bworker\\b', grace: 2s }]`;
const WORDS = ["celery", "worker"];

describe.runIf(isRoot)("a pid file of another user, when we are root", () => {
  test("stops nobody else's process, whatever the process looks like, and the run is partial", async () => {
    const app = await makeApp(WORKERS);
    const { pid } = await spawnIdle({ words: WORDS, cwd: temporaryDirectory() });
    chownSync(put(app.root, "pids/worker.pid", `${pid}\n`, 0), NOBODY, NOBODY);
    for (const force of [false, true]) {
      const { lines, report } = await app.run("stop-services", { switches: { force } });
      const reason = `it belongs to user ${NOBODY}, pid ${pid} to user 0: not trusted`;
      expect(lines).toEqual([`pids/worker.pid: kept: ${reason}`]);
      expect(report).toMatchObject({
        status: "partial",
        reason: `cannot tell what pids/worker.pid stands for: ${reason}`,
      });
    }
    expect(isAlive(pid)).toBe(true);
  });

  test("leads to that user's own process", async () => {
    const app = await makeApp(WORKERS);
    openToAll(app.root);
    const { pid } = await spawnProcess({
      command: "setpriv",
      args: [
        ...[`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"],
        ...["perl", "-e", '$| = 1; print "ready\\n"; sleep 600', ...WORDS],
      ],
      cwd: app.root,
      readyLine: /ready/,
    });
    chownSync(put(app.root, "pids/worker.pid", `${pid}\n`, 0), NOBODY, NOBODY);
    const { report } = await app.run("stop-services");
    expect([report.status, isAlive(pid)]).toEqual(["done", false]);
  });

  test("is removed when its process has ended", async () => {
    const app = await makeApp(WORKERS);
    const file = put(app.root, "pids/worker.pid", "4194303\n");
    chownSync(file, NOBODY, NOBODY);
    const { report } = await app.run("stop-services");
    expect([report.status, existsSync(file)]).toEqual(["done", false]);
  });
});

test.runIf(isRoot)("a device that is called like a pid file is not opened", async (context) => {
  const root = temporaryDirectory();
  mkdirSync(join(root, "pids"));
  if (spawnSync("mknod", [join(root, "pids/worker.pid"), "c", "1", "5"]).status !== 0)
    context.skip("a device cannot be made here");
  const { files, processes } = handsOn(root);
  expect(processes.identify(seen(files, "pids/worker.pid"), serviceOf("worker"))).toMatchObject({
    state: "unsure",
    reason: "it cannot be read as a regular file",
  });
});

test("a pid file from before the machine started is told as such", () => {
  const root = temporaryDirectory();
  const bootedAtMs = Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]) * 1_000;
  put(root, "a.pid", "4194303\n", Date.now() - bootedAtMs + HOUR);
  const { files, processes } = handsOn(root);
  expect(processes.identify(seen(files, "a.pid"), serviceOf("worker"))).toMatchObject({
    state: "gone",
    reason: "pid 4194303 ended before this machine started",
  });
});

test("a process that matches, works elsewhere and is younger than the pid file keeps the run from being done", async () => {
  const app = await makeApp(WORKERS);
  const { pid } = await spawnIdle({ words: WORDS, cwd: temporaryDirectory() });
  put(app.root, "pids/worker.pid", `${pid}\n`, HOUR);
  const { report } = await app.run("stop-services");
  expect(report).toMatchObject({
    status: "partial",
    reason: expect.stringMatching(
      /another process now, started after this file, but it looks like a service$/,
    ),
  });
  expect(isAlive(pid)).toBe(true);
});

test("the pid of another safe-shutdown leads to no signal, though its command line matches", async () => {
  const app = await makeApp(WORKERS);
  const program = put(
    temporaryDirectory(),
    "safe-shutdown",
    'console.log("ready"); setTimeout(() => {}, 600_000)',
  );
  const { pid } = await spawnProcess({
    command: process.execPath,
    args: [program, "worker", "--root", "/srv/celery", "worker"],
    cwd: app.root,
    readyLine: /ready/,
  });
  put(app.root, "pids/worker.pid", `${pid}\n`, 0);
  const { lines } = await app.run("stop-services", { switches: { force: true } });
  expect(lines).toEqual([`pids/worker.pid: kept: pid ${pid} is another safe-shutdown`]);
  expect(isAlive(pid)).toBe(true);
});

const INSIDE = ["--pid", "--fork", "--mount-proc", "--kill-child"];
const mayUnshare = spawnSync("unshare", [...INSIDE, "true"]).status === 0;

describe.runIf(mayUnshare)("a pid file that a container wrote", () => {
  /** A worker with this number in a pid namespace of its own; its number here. */
  async function containing(number: number): Promise<number> {
    const words = `perl -e '$| = 1; print "ready\\n"; sleep 600' celery worker`;
    const set = `echo ${number - 1} > /proc/sys/kernel/ns_last_pid`;
    const one = await spawnProcess({
      command: "unshare",
      args: [...INSIDE, "sh", "-c", number === 1 ? `exec ${words}` : `${set}; ${words} & wait`],
      readyLine: /ready/,
    });
    const inner = () => descendants(one.pid).find((pid) => readStatus(pid)?.pids.at(-1) === number);
    await waitUntil(() => inner() !== undefined, "the worker inside");
    return inner() ?? 0;
  }

  function descendants(pid: number): number[] {
    const children = execFileSync("sh", ["-c", `cat /proc/${pid}/task/*/children`], { encoding: "utf8" });
    return children
      .trim()
      .split(" ")
      .filter(Boolean)
      .map(Number)
      .flatMap((child) => [child, ...descendants(child)]);
  }

  test.each([
    { number: 1, here: () => "it names pid 1" },
    { number: 2, here: () => "pid 2 is alive and its command line does not match" },
    { number: 3_999_999, here: () => "pid 3999999 has ended" },
  ])("names pid $number of its own numbers, and is no leftover of ours", async ({ number, here }) => {
    const app = await makeApp(`${WORKERS}\ntemp: [{ pidFiles: "pids/*.pid" }]`);
    const pid = await containing(number);
    const file = put(app.root, "pids/worker.pid", `${number}\n`, 0);
    const reason = `${here()}, but pid ${pid} has this number in a container: stop it there`;

    const stopping = await app.run("stop-services", { switches: { force: true } });
    const cleaning = await app.run("clean-temp-files");

    expect(stopping.lines).toEqual([`pids/worker.pid: kept: ${reason}`]);
    expect(stopping.report.status).toBe("partial");
    expect(cleaning.lines).toEqual([expect.stringMatching(/^pids\/worker\.pid: kept: /)]);
    expect([isAlive(pid), existsSync(file)]).toEqual([true, true]);
  });

  test("is a leftover when the one inside was started after it", async () => {
    const app = await makeApp(WORKERS);
    await containing(3_999_999);
    const file = put(app.root, "pids/worker.pid", "3999999\n", HOUR);
    expect((await app.run("stop-services")).report.status).toBe("done");
    expect(existsSync(file)).toBe(false);
  });
});

describe.runIf(isRoot && mayUnshare && plainUserAvailable()).each([1, 2] as const)(
  "a plain user, from whom /proc hides others' processes (hidepid=%i)",
  (hidepid) => {
    test("takes nobody for gone who is only hidden", () => {
      const root = temporaryDirectory();
      openToAll(root);
      put(root, "a.pid", "2\n");
      const answer = asPlainUserWithHiddenProcesses(
        hidepid,
        `const { files, processes } = handsOn(facts.root); answer(processes.identify(files.look("a.pid")));`,
        { root },
      );
      expect(answer).toMatchObject({
        state: "unsure",
        mayRun: true,
        reason: "pid 2 is alive, and only root can look at it",
      });
    });

    test("takes no lock for free", () => {
      const root = temporaryDirectory();
      openToAll(root);
      put(root, "a.lock", "2\n");
      put(root, "b.lock", "");
      const answer = asPlainUserWithHiddenProcesses(
        hidepid,
        `const { files, locks } = handsOn(facts.root);
         answer(["a.lock", "b.lock"].map((name) => locks.holderOf(files.look(name))));`,
        { root },
      );
      expect(answer).toEqual([
        { state: "unknown", why: "it names pid 2, which is alive, and which only root can look at" },
        { state: "unknown", why: expect.stringMatching(/hidepid|cannot be looked into/) },
      ]);
    });
  },
);
