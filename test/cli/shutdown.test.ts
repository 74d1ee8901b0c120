import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { look, proveShutdown } from "../../demo/proof.ts";
import { connect } from "../../src/index.ts";
import { cliIn, jobOf, reportOf, targetsOf, useApplication, useSandbox } from "../support/application.ts";
import { diff, snapshot } from "../support/listing.ts";
import { sharedRedis } from "../support/redis.ts";

/* The main job: `safe-shutdown --yes` on the sandbox, and what it says of itself. */

const redis = sharedRedis();
const QUEUE = "{safe-shutdown-telegram-ai-scraper}:";

test("exactly the intended files and keys are gone, all else is byte-identical", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url, taskMs: 400 });
  const before = await look(sandbox, redis.client());

  const result = await cliIn(sandbox.root, redis.server().url).run("--yes --json");

  expect(result.code).toBe(0);
  const after = await look(sandbox, redis.client());
  for (const { text, against } of proveShutdown(sandbox, before, after)) expect(against, text).toEqual([]);

  const { added, removed, changed } = diff(before.files, after.files);
  expect(added).toEqual([".safe-shutdown", `.safe-shutdown/${reportOf(result).run}.jsonl`]);
  const { files, keys } = sandbox;
  expect(removed).toEqual([...files.removed, ...files.undecided].sort());
  const touched = changed.map((line) => line.replace(/: .*/, "")).filter((path) => !isDirectory(path));
  expect(touched.filter((path) => !files.growing.includes(path))).toEqual([]);

  const gone = [...before.keys.keys()].filter((key) => !after.keys.has(key));
  expect(gone.sort()).toEqual([...keys.removed].sort());
  const others = [...after.keys.keys()].filter((key) => !before.keys.has(key) && !key.startsWith(QUEUE));
  expect(others).toEqual([]);

  function isDirectory(path: string): boolean {
    return before.files.get(path)?.type === "directory";
  }
});

test("the report is the document of the design, and `runs <id> --json` gives it back unchanged", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });
  const cli = cliIn(sandbox.root, redis.server().url);

  const result = await cli.run("--yes --json --host test-host");

  const report = reportOf(result);
  expect(Object.keys(report)).toEqual([
    ...["version", "run", "flow", "mode", "engine", "app", "verdict", "startedAt", "durationMs", "hosts"],
    ...["unreachable", "jobs", "system", "nextSteps"],
  ]);
  expect(report).toMatchObject({
    version: 1,
    run: expect.stringMatching(/^run-\d{8}t\d{6}z-[0-9a-f]{6}$/),
    flow: "shutdown",
    mode: "apply",
    engine: "queue",
    app: "telegram-ai-scraper",
    verdict: "done",
    startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    hosts: ["test-host"],
    unreachable: [],
    nextSteps: ["./scripts/quick_start.sh", "./scripts/status.sh", "tail -f logs/*.log"],
  });
  expect(report.jobs.map(({ job, host, status }) => `${job} ${host} ${status}`)).toEqual(
    ["stop-services", "clean-session-locks", "prune-redis", "clean-temp-files", "check-system"].map(
      (job) => `${job} test-host done`,
    ),
  );
  for (const job of report.jobs) {
    const scans = job.job === "prune-redis" ? ["scans"] : [];
    const common = ["job", "host", "status", "durationMs", "totals", "items", "truncated"];
    expect(Object.keys(job)).toEqual([...common, ...scans]);
    expect(Object.keys(job.totals)).toEqual(["done", "planned", "kept", "changed", "failed", "bytes"]);
    for (const { target, outcome, reason, ...rest } of job.items)
      expect(rest, `${target} ${outcome} ${reason}`).toEqual({});
  }
  expect(report.system).toMatchObject({
    services: ["celery-beat", "celery-workers", "flower"].map((name) => ({ name, running: [] })),
    redis: { reachable: true, usedMemoryBytes: expect.any(Number) },
    locks: expect.arrayContaining([{ file: "fresh.lock", ageMs: expect.any(Number), holder: "nobody" }]),
    session: { file: "telegram_session.session", present: true, ageDays: 3 },
  });

  const again = await cli.run(`runs ${report.run} --json`);
  expect(again.json()).toEqual(report);
  expect(again.stdout).toBe(result.stdout);
});

test("targets are spelled as in the design: a process, a path relative to the root, a Redis rule", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });

  const report = reportOf(await cliIn(sandbox.root, redis.server().url).run("--yes --json"));

  const stopped = sandbox.services.map(({ service, pid }) => `${service} (pid ${pid})`);
  const pidFiles = [
    "pids/celery_crashed.pid",
    "pids/celery_reused.pid",
    ...sandbox.services.map(({ pidFile }) => pidFile),
  ];
  expect(targetsOf({ ...report, jobs: [jobOf(report, "stop-services")] }, "done")).toEqual(
    [...stopped, ...pidFiles].sort(),
  );
  const prune = jobOf(report, "prune-redis");
  expect(prune.items.filter(({ outcome }) => outcome === "done")).toEqual([
    { target: "telegram_message:* (db 0)", outcome: "done", reason: "12 keys older than 10m" },
    { target: "celery-task-meta-* (db 0)", outcome: "done", reason: "6 keys older than 10m" },
  ]);
  expect(prune.totals).toMatchObject({ done: 18, kept: 21, bytes: expect.any(Number) });
  expect(targetsOf(report, "done")).toContain("logs/fetcher/fetcher.log.1");
});

test("beat is stopped first, then the workers, then Flower", async () => {
  const sandbox = await useSandbox({ taskMs: 300 });

  const report = reportOf(await cliIn(sandbox.root, redis.server().url).run("stop --yes --json"));

  const order = jobOf(report, "stop-services").items.flatMap(
    ({ target }) => /^([\w-]+) \(pid/.exec(target)?.[1] ?? [],
  );
  expect(order).toEqual(["celery-beat", "celery-workers", "celery-workers", "flower"]);
});

test("a second shutdown finds nothing to do and is done", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });
  const cli = cliIn(sandbox.root, redis.server().url);
  await cli.run("--yes");
  const before = snapshot(sandbox.root);

  const result = await cli.run("--yes --json");

  expect(result.code).toBe(0);
  expect(targetsOf(reportOf(result), "done").filter((target) => !target.includes("(db"))).toEqual([]);
  expect(diff(before, snapshot(sandbox.root))).toEqual({ added: [], removed: [], changed: [] });
});

test("where there is nothing at all, a shutdown is done and exits 0", async () => {
  const root = await useApplication();
  const { code, stdout } = await cliIn(root, redis.server().url).run("--yes");
  expect(code).toBe(0);
  expect(stdout).toMatch(/shutdown: done in/);
  expect(stdout).toMatch(/^Totals +0 done/m);
});

test("a stray is reported and left with --yes (exit 3), and stopped with --force", async () => {
  const sandbox = await useSandbox({ workers: 1 });
  const [worker] = sandbox.services.filter(({ service }) => service === "celery-workers");
  if (worker === undefined) throw new Error("expected a worker");
  rmSync(join(sandbox.root, worker.pidFile));
  const cli = cliIn(sandbox.root, redis.server().url);

  const kept = await cli.run("stop --yes");
  expect(kept.code).toBe(3);
  const stray = new RegExp(
    `celery-workers \\(pid ${worker.pid}\\), stray without a pid file: \\S.*worker.*  (.*)`,
  );
  expect(stray.exec(kept.stdout)?.[1]).toContain("left running; --force stops it");
  expect(readFileSync(`/proc/${worker.pid}/cmdline`, "utf8")).toContain("worker");

  const planned = await cli.run("stop --force -n -q");
  expect(stray.exec(planned.stdout)?.[1]).toMatch(/^SIGKILL to \d+ processes$/);

  const forced = await cli.run("stop --force -q");
  expect(forced.code).toBe(0);
  expect(stray.exec(forced.stdout)?.[1]).toMatch(/^killed \(\d+ processes\)/);
  expect([worker.pid, ...worker.pool].filter((pid) => existsSync(`/proc/${pid}/cwd`))).toEqual([]);
});

test("the API starts the same run and gets the same report as --json and Redis", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });
  const application = await connect({ root: sandbox.root, redisUrl: redis.server().url });
  try {
    const run = await application.start("shutdown", { mode: "plan" });
    const report = await run.report();
    const shown = await cliIn(sandbox.root, redis.server().url).run(`runs ${run.id} --json`);
    expect(shown.json()).toEqual(report);
  } finally {
    await application.close();
  }
});
