import { expect, test } from "vitest";
import type { RunReport } from "../../src/report/report.ts";
import { type CliInRoot, cliIn, jobOf, reportOf, useSandbox } from "../support/application.ts";
import type { RunningCli } from "../support/cli.ts";
import { isAlive } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

/* A live `safe-shutdown worker`, and commands beside it. */

const redis = sharedRedis();

test("--detach hands the run to a live worker and returns its id; `runs <id>` has the report", async () => {
  const { cli, sandbox } = await withWorker();

  const detached = await cli.run("--yes --detach");

  expect(detached.code).toBe(0);
  const run = detached.stdout.trim();
  expect(run).toMatch(/^run-\d{8}t\d{6}z-[0-9a-f]{6}$/);
  const report = await reportOfRun(cli, run);
  expect(report).toMatchObject({ run, verdict: "done", engine: "queue" });
  expect(sandbox.services.map(({ pid }) => pid).filter(isAlive)).toEqual([]);
  expect((await cli.run("runs")).stdout).toMatch(new RegExp(`shutdown: done in .* ${run}`));
});

test("--detach without a live worker is refused and says what to start", async () => {
  const sandbox = await useSandbox({ workers: 1 });
  const { code, stderr } = await cliIn(sandbox.root, redis.server().url).run("--yes --detach");
  expect(code).toBe(4);
  expect(stderr).toContain("start `safe-shutdown worker`");
  expect(sandbox.services.map(({ pid }) => pid).filter(isAlive)).toHaveLength(sandbox.services.length);
});

test("`cancel` stops a run that another process asked for; whoever follows it sees a partial report", async () => {
  const { cli } = await withWorker(8_000);
  const { run } = (await cli.run("--yes --detach --json")).json() as { run: string };
  const follower = cli.start("--yes --json");
  await follower.stderr.waitFor(new RegExp(`${run} is going on already: following it`));
  await follower.stderr.waitFor(/waiting for celery-workers/);

  const cancelled = await cli.run(`cancel ${run} --json`);

  expect(cancelled.code).toBe(0);
  expect(cancelled.json()).toEqual({ version: 1, run, cancelled: true });
  const followed = await follower.result;
  expect(followed.code).toBe(3);
  expect(reportOf(followed)).toMatchObject({ run, verdict: "partial" });
  expect(await reportOfRun(cli, run)).toEqual(reportOf(followed));
  const again = await cli.run(`cancel ${run}`);
  expect(again.code).toBe(2);
  expect(again.stderr).toContain("cannot be cancelled: it has ended");
});

test("a second command without any worker attaches to the run of the first, and both print one report", async () => {
  const sandbox = await useSandbox({ workers: 1, taskMs: 6_000 });
  const cli = cliIn(sandbox.root, redis.server().url);
  const first = cli.start("--yes --json");
  await first.stderr.waitFor(/waiting for celery-workers/);

  const second = await cli.run("--yes --json");

  const result = await first.result;
  expect([result.code, second.code]).toEqual([0, 0]);
  expect(second.stdout).toBe(result.stdout);
  expect(second.stderr).toMatch(/is going on already: following it/);
});

test("`status` shows the live worker, and none after it has ended with SIGTERM", async () => {
  const { cli, worker } = await withWorker();
  const status = await cli.run("status");
  expect(status.stdout).toMatch(
    new RegExp(`^Worker +\\S+: pid ${worker.pid}, version \\d+\\.\\d+\\.\\d+, config \\w+`, "m"),
  );
  expect((await cli.run("status --json")).json()).toMatchObject({
    workers: [{ pid: worker.pid, isCommand: false }],
  });

  worker.signal("SIGTERM");

  expect((await worker.result).code).toBe(0);
  expect((await cli.run("status")).stdout).toMatch(/^Workers +none alive/m);
});

test("the worker takes runs with its own log, plain JSON lines off a terminal", async () => {
  const { cli, worker } = await withWorker();
  await cli.run("clean --yes");
  worker.signal("SIGINT");
  const { code, stderr } = await worker.result;
  expect(code).toBe(0);
  const lines = stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const messages = lines.map(({ msg }) => msg);
  expect(messages.filter((msg) => !msg.startsWith("job"))).toEqual([
    ...["the maintenance worker is up", "run ended", "stopping: current jobs may finish", "stopped"],
  ]);
  expect(messages.filter((msg) => msg === "job begins")).toHaveLength(3);
  expect(lines.find(({ msg }) => msg === "run ended")).toMatchObject({ flow: "clean", verdict: "done" });
});

test("--hosts with a host that has no worker: reported as unreachable, exit 3, the known host is done", async () => {
  const sandbox = await useSandbox({ workers: 1 });
  const cli = cliIn(sandbox.root, redis.server().url);

  const result = await cli.run("clean --yes --json --host here --hosts here,nowhere");

  expect(result.code).toBe(3);
  const report = reportOf(result);
  expect(report).toMatchObject({ verdict: "partial", hosts: ["here", "nowhere"], unreachable: ["nowhere"] });
  const jobs = report.jobs.map(({ job, host, status, reason }) =>
    [job, host, status, reason].join(" ").trim(),
  );
  expect(jobs).toContain("clean-temp-files nowhere missing no live worker");
  expect(jobs).toContain("clean-temp-files here done");
  const text = await cli.run(`runs ${report.run}`);
  expect(text.stdout).toMatch(/^Unreachable +nowhere$/m);
});

test("--all-hosts runs on every host with a live worker", async () => {
  const sandbox = await useSandbox({ workers: 1 });
  const cli = cliIn(sandbox.root, redis.server().url);
  await startWorker(cli, "--host alpha");

  const report = reportOf(await cli.run("clean clean-temp-files --yes --json --host beta --all-hosts"));

  expect(report.hosts).toEqual(["alpha", "beta"]);
  expect(report.jobs.map(({ host, status }) => `${host} ${status}`)).toEqual(["alpha done", "beta done"]);
});

test("--inline leaves the queue alone, also beside a live worker", async () => {
  const { cli } = await withWorker();
  const report = reportOf(await cli.run("stop --yes --inline --json"));
  expect(report).toMatchObject({ engine: "inline", verdict: "done" });
  expect(jobOf(report, "stop-services").totals.failed).toBe(0);
  expect((await cli.run("runs")).stdout).toBe("no runs are known\n");
});

test("`schedule` tells the last run and the next ones", async () => {
  const { cli } = await withWorker();
  const { code, stdout } = await cli.run("schedule");
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^prune-redis {2}\*\/15 \* \* \* \* {2}never run; next \d{4}-\d\d-\d\d \d\d:(00|15|30|45):00, /m,
  );
  expect(stdout).toMatch(
    /^nightly-hygiene {2}5 0 \* \* \* \(UTC\) {2}never run; next \d{4}-\d\d-\d\d 00:05:00, /m,
  );
});

async function withWorker(taskMs = 100) {
  const sandbox = await useSandbox({ workers: 1, taskMs });
  const cli = cliIn(sandbox.root, redis.server().url);
  return { sandbox, cli, worker: await startWorker(cli) };
}

async function startWorker(cli: CliInRoot, words = ""): Promise<RunningCli> {
  const worker = cli.start(`worker ${words}`);
  await worker.stderr.waitFor(/the maintenance worker is up/);
  return worker;
}

/** The report of a run that somebody else works on, as soon as it is there. */
async function reportOfRun(cli: CliInRoot, run: string): Promise<RunReport> {
  await expect.poll(async () => (await cli.run(`runs ${run}`)).code, { timeout: 15_000 }).toBe(0);
  return reportOf(await cli.run(`runs ${run} --json`));
}
