import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cliIn, jobOf, reportOf, useApplication, useSandbox } from "../support/application.ts";
import { isAlive } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";
import { useRedisProxy } from "../support/redis-proxy.ts";

/* Redis is stopped: services are stopped and files cleaned all the same; what needs the queue says so, with 75. */

test("a shutdown without Redis stops and cleans, says what it skipped, and takes less than 3 s more", async () => {
  const redis = await useRedis();
  const withRedis = await useSandbox();
  const withoutRedis = await useSandbox();
  const usual = await cliIn(withRedis.root, redis.url).run("--yes");
  await redis.kill();

  const result = await cliIn(withoutRedis.root, redis.url).run("--yes --json");

  expect(usual.code).toBe(0);
  expect(result.code).toBe(0);
  expect(result.durationMs).toBeLessThan(usual.durationMs + 3_000);
  const report = reportOf(result);
  expect(report).toMatchObject({
    engine: "inline",
    verdict: "done",
    system: { redis: { reachable: false } },
  });
  const reason = `Redis at 127.0.0.1:${redis.port} cannot be reached: connect ECONNREFUSED 127.0.0.1:${redis.port}`;
  expect(jobOf(report, "prune-redis")).toMatchObject({ status: "skipped", reason });
  expect(result.stderr).toContain(`Running in this process, without the queue: ${reason}\n`);
  const { services, files, root } = withoutRedis;
  expect(services.flatMap(({ pid, pool }) => [pid, ...pool]).filter(isAlive)).toEqual([]);
  expect(files.removed.filter((path) => existsSync(join(root, path)))).toEqual([]);
});

test("a Redis that hangs costs less than 3 s too: its silence is waited for once", async () => {
  const redis = await useRedis();
  const root = await useApplication();
  const usual = await cliIn(root, redis.url).run("--yes");
  const pid = redis.pid();
  if (pid === undefined) throw new Error("expected a running Redis");
  process.kill(pid, "SIGSTOP");
  try {
    const result = await cliIn(root, redis.url).run("--yes");
    expect(result.code).toBe(0);
    expect(result.durationMs).toBeLessThan(usual.durationMs + 3_000);
    expect(result.stdout).toMatch(/prune-redis {2}skipped: Redis at .* cannot be reached: /);
  } finally {
    process.kill(pid, "SIGCONT");
  }
});

test("`status` whose Redis is lost while it is asked says so, and shows the rest", async () => {
  const redis = await useRedis();
  const proxy = await useRedisProxy(redis.port);
  const root = await useApplication();
  const wasCut = proxy.cutBefore(":history:", () => {});
  const { code, stdout, stderr } = await cliIn(root, proxy.url).run("status");
  await wasCut;
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/Workers +unknown: the queue's Redis cannot be reached/);
  const again = proxy.cutBefore(":history:", () => {});
  const runs = await cliIn(root, proxy.url).run("runs");
  await again;
  expect([runs.code, runs.stderr]).toEqual([
    75,
    expect.stringMatching(/^error: Redis was lost while it was asked: /m),
  ]);
});

test("the text for people says it too", async () => {
  const { code, stdout } = await cliIn(await useApplication()).run("clean --yes");
  expect(code).toBe(0);
  expect(stdout).toContain("prune-redis  skipped: Redis at 127.0.0.1:1 cannot be reached");
});

describe("what needs the queue exits 75 and names the server", () => {
  test.each([
    "runs",
    "runs run-1",
    "cancel run-1",
    "status --all-hosts",
    "worker",
    "--yes --detach",
    "--yes --hosts elsewhere",
  ])("%s", async (words) => {
    const result = await cliIn(await useApplication()).run(`${words} --json`);
    expect(result.code).toBe(75);
    expect(result.json()).toMatchObject({ version: 1, error: { code: "redis-unreachable" } });
    expect(result.stderr).toMatch(/Redis at 127\.0\.0\.1:1 cannot be reached: connect ECONNREFUSED/);
  });
});

test.each([
  { words: "--yes --detach", option: "--detach", where: "here and now" },
  { words: "--yes --hosts elsewhere", option: "--hosts", where: "on each host by itself" },
  { words: "--yes --all-hosts", option: "--all-hosts", where: "on each host by itself" },
])("$option says why it cannot be had, and what to do instead", async ({ words, option, where }) => {
  const { code, stderr } = await cliIn(await useApplication()).run(words);
  expect([code, stderr]).toEqual([
    75,
    expect.stringContaining(
      `error: ${option} needs the queue's Redis. Redis at 127.0.0.1:1 cannot be reached: ` +
        `connect ECONNREFUSED 127.0.0.1:1. Mend that, or give the command ${where}, without ${option}`,
    ),
  ]);
});

test("--inline with other hosts is wrong usage, wherever Redis is", async () => {
  const { code, stderr } = await cliIn(await useApplication()).run("--yes --inline --hosts elsewhere");
  expect([code, stderr]).toEqual([
    2,
    expect.stringContaining("--inline runs on this host only; leave out --hosts"),
  ]);
});

test("`status`, `schedule` and `check` look without Redis, and say that it is away", async () => {
  const cli = cliIn(await useApplication());
  const [status, schedule, check] = await Promise.all([
    cli.run("status"),
    cli.run("schedule"),
    cli.run("check"),
  ]);
  expect([status.code, schedule.code, check.code]).toEqual([0, 0, 0]);
  expect(status.stdout).toMatch(/^Redis +Redis at 127.0.0.1:1 cannot be reached/m);
  expect(status.stdout).toMatch(/^Workers +unknown/m);
  expect(schedule.stdout).toMatch(/nightly-hygiene .* last run unknown, as Redis cannot be reached; next /);
  expect(check.stdout).toMatch(/Warnings\n +Redis at 127.0.0.1:1: .* cannot be reached/);
});
