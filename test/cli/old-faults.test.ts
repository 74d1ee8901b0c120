import { existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  cliIn,
  IGNORES_SIGTERM,
  jobOf,
  reasonOf,
  reportOf,
  targetsOf,
  useApplication,
  useSandbox,
  useService,
} from "../support/application.ts";
import { isAlive, spawnIdle } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

/* What the two shell scripts did wrong, fault by fault, in the words of the design. */

const redis = sharedRedis();
const MINUTE = 60_000;

test("fault: a lock's age was checked by find's exit status, so every lock went, held ones too", async () => {
  const sandbox = await useSandbox();

  const result = await cliIn(sandbox.root, redis.server().url).run("clean clean-session-locks --yes --json");

  const report = reportOf(result);
  expect(targetsOf(report, "done")).toEqual(["crashed.lock", "stale.lock"]);
  expect(reasonOf(report, "fresh.lock")).toMatch(/^only 1m/);
  expect(reasonOf(report, "telegram_session.lock")).toMatch(`held by pid ${sandbox.lockHolder.pid} (flock)`);
  expect(reasonOf(report, "fetch.lock")).toMatch(`held by pid ${sandbox.bystander.pid} (named in it)`);
  for (const lock of ["fresh.lock", "telegram_session.lock", "fetch.lock"])
    expect(existsSync(join(sandbox.root, lock))).toBe(true);
});

test.each([
  { age: "5 s too young", ageMs: 5 * MINUTE - 5_000, stays: true },
  { age: "just old enough", ageMs: 5 * MINUTE, stays: false },
])("fault: a lock's age was checked by find's exit status: a lock $age", async ({ ageMs, stays }) => {
  const root = await useApplication({ "a.lock": { ageMs } });

  await cliIn(root).run("clean clean-session-locks --yes --inline");

  expect(existsSync(join(root, "a.lock"))).toBe(stays);
});

test.each(["--yes", "--force"])(
  "fault: any process whose pid stood in a pid file was killed (%s)",
  async (how) => {
    const root = await useApplication();
    const unrelated = await useService(root, "pids/celery_worker.pid", ["accounting", "daemon"]);
    const before = readFileSync(join(root, "pids/celery_worker.pid"));

    const report = reportOf(await cliIn(root, redis.server().url).run(`${how} --json`));

    expect(isAlive(unrelated.pid)).toBe(true);
    expect(reasonOf(report, "pids/celery_worker.pid")).toBe(
      `pid ${unrelated.pid} is alive and its command line does not match`,
    );
    expect(readFileSync(join(root, "pids/celery_worker.pid"))).toEqual(before);
  },
);

describe.each(["--yes", "--force"])("fault: a process that got the number later was killed (%s)", (how) => {
  test.each([
    { words: ["accounting", "daemon"], looks: "unrelated", pidFileStays: false },
    // a clock that was set forward makes a live worker look late: its pid file stays, nobody is killed, and the run
    // is not called done
    { words: ["celery", "-A", "other", "worker"], looks: "like a worker", pidFileStays: true },
  ])("one that looks $looks", async ({ words, pidFileStays }) => {
    const root = await useApplication();
    const elsewhere = await useApplication();
    const later = await spawnIdle({ cwd: elsewhere, words });
    const pidFile = join(root, "pids/celery_worker.pid");
    writeFileSync(pidFile, `${later.pid}\n`);
    utimesSync(pidFile, new Date(Date.now() - 60 * MINUTE), new Date(Date.now() - 60 * MINUTE));

    const { code, stdout } = await cliIn(root, redis.server().url).run(how);

    expect(code).toBe(pidFileStays ? 3 : 0);
    expect(isAlive(later.pid)).toBe(true);
    expect(stdout).toContain(`pid ${later.pid} is another process now, started after this file`);
    expect(existsSync(pidFile)).toBe(pidFileStays);
  });
});

test("fault: every pid file was removed, also a live worker's", async () => {
  const sandbox = await useSandbox();

  const report = reportOf(await cliIn(sandbox.root, redis.server().url).run("clean --yes --json"));

  for (const { pid, pidFile } of sandbox.services) {
    expect(readFileSync(join(sandbox.root, pidFile), "utf8")).toBe(`${pid}\n`);
    expect(reasonOf(report, pidFile)).toBe(`pid ${pid} is running`);
    expect(isAlive(pid)).toBe(true);
  }
  expect(existsSync(join(sandbox.root, "pids/celery_crashed.pid"))).toBe(false);
  expect(existsSync(join(sandbox.root, "logs/celerybeat-schedule"))).toBe(true);
});

test("fault: every Celery result was deleted, whatever its age", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });

  const report = reportOf(
    await cliIn(sandbox.root, redis.server().url).run("clean prune-redis --yes --json"),
  );

  const left = (await redis.client().keys("celery-task-meta-*")).sort();
  expect(left).toEqual(sandbox.keys.kept.filter((key) => key.startsWith("celery-task-meta-")).sort());
  expect(jobOf(report, "prune-redis").totals).toMatchObject({ done: sandbox.keys.removed.length, failed: 0 });
});

test("fault: KEYS blocked Redis", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });
  const cli = cliIn(sandbox.root, redis.server().url);
  await redis.client().config("RESETSTAT");

  for (const words of ["status", "--dry-run", "--yes", "runs", "schedule", "check"])
    expect((await cli.run(words)).code).toBe(0);

  const stats = await redis.client().info("commandstats");
  expect(stats).toContain("cmdstat_scan:");
  expect(stats).not.toContain("cmdstat_keys:");
});

test("fault: __pycache__ was removed inside data/ and virtual environments too", async () => {
  const cache = { ageMs: 24 * 60 * MINUTE };
  const root = await useApplication({
    "scraper/__pycache__/app.cpython-311.pyc": cache,
    "data/__pycache__/model.cpython-311.pyc": cache,
    "data/deep/__pycache__/model.cpython-311.pyc": cache,
    ".venv/lib/python3.11/site-packages/__pycache__/six.cpython-311.pyc": cache,
    "venv/lib/__pycache__/six.cpython-311.pyc": cache,
    "tools-env/pyvenv.cfg": { content: "home = /usr/bin\n" },
    "tools-env/lib/__pycache__/six.cpython-311.pyc": cache,
  });

  const { code } = await cliIn(root, redis.server().url).run("clean --yes");

  expect(code).toBe(0);
  expect(existsSync(join(root, "scraper/__pycache__"))).toBe(false);
  for (const place of [
    "data",
    "data/deep",
    ".venv/lib/python3.11/site-packages",
    "venv/lib",
    "tools-env/lib",
  ])
    expect(existsSync(join(root, place, "__pycache__")), place).toBe(true);
});

test("fault: every error was swallowed and the script said completed successfully: a process that will not stop", async () => {
  const root = await useApplication({}, STUBBORN);
  const service = await useService(root, "pids/app.pid", ["stubborn"], IGNORES_SIGTERM);

  const { code, stdout } = await cliIn(root, redis.server().url).run("--yes");

  expect(code).toBe(3);
  expect(stdout).toMatch(/shutdown: partial in /);
  expect(stdout).toMatch(/✗ stubborn \(pid \d+\) +still running after 300ms; left alone, as configured/);
  expect(stdout).toMatch(/1 failed$/m);
  expect(stdout).not.toMatch(/success|: done in/);
  expect(isAlive(service.pid)).toBe(true);
  expect(existsSync(join(root, "pids/app.pid"))).toBe(true);
});

test("fault: every error was swallowed and the script said completed successfully: Redis says no", async () => {
  await redis.client().call("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@all", "-unlink", "-del");
  await redis.client().set("cache:1", "x", "PX", 1_000);
  const url = redis.server().url.replace("//", "//reader:pw@");
  const rule = `{ keys: "cache:*", olderThan: 1m, age: [{ ttl: 1h }], url: "${url}" }`;
  const root = await useApplication({}, `app: denied\nredis: { prune: [${rule}] }\n`);
  await redis.client().set("cache:1", "x", "PX", 60_000);

  const { code, stdout, stderr } = await cliIn(root, redis.server().url).run("clean --yes");

  expect(code).toBe(3);
  expect(stdout).toMatch(/prune-redis +failed: .*(can't run this command|permission)/i);
  expect(stdout).not.toMatch(/success|: done in/);
  expect(stdout + stderr).not.toContain("reader:pw");
  expect(await redis.client().exists("cache:1")).toBe(1);
});

const STUBBORN = `app: stubborn
services:
  - { name: stubborn, pidFiles: "pids/*.pid", matches: \\bstubborn\\b, grace: 300ms, afterGrace: leave }
`;
