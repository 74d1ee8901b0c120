import { describe, expect, test } from "vitest";
import { cliIn, jobOf, reportOf, useSandbox } from "../support/application.ts";
import { terminalAvailable } from "../support/cli.ts";
import { LittleApp } from "../support/little-app.ts";
import { isAlive, waitUntil } from "../support/processes.ts";
import { sharedRedis, useRedis } from "../support/redis.ts";

/* A run that is interrupted, or whose terminal goes away. */

const redis = sharedRedis();
const WAITS = /stop-services: running, waiting for celery-workers/;

describe.each([
  { engine: "queue", how: "" },
  { engine: "inline", how: "--inline" },
])("with the $engine engine", ({ how, engine }) => {
  test("Ctrl-C once: it stops after its current items, the report is partial, exit 130", async () => {
    const sandbox = await useSandbox({ taskMs: 8_000, workers: 1 });
    const running = cliIn(sandbox.root, redis.server().url).start(`--yes --json ${how}`);
    await running.stderr.waitFor(WAITS);

    running.signal("SIGINT");

    const result = await running.result;
    expect(result.code).toBe(130);
    expect(result.stderr).toMatch(/Cancelling run-\S+ after its current items. Again: stop at once\./);
    const report = reportOf(result);
    expect(report).toMatchObject({ engine, verdict: "partial" });
    expect(jobOf(report, "stop-services")).toMatchObject({ status: "partial", reason: "cancelled" });
    expect(
      jobOf(report, "stop-services")
        .items.map(({ reason }) => reason)
        .join(),
    ).toContain("was asked to stop, and is still running");
    for (const name of ["clean-session-locks", "prune-redis", "clean-temp-files", "check-system"])
      expect(jobOf(report, name)).toMatchObject({
        status: "skipped",
        reason: "the run was cancelled before",
      });
  });

  test("Ctrl-C twice: it ends at once, exit 130", async () => {
    const sandbox = await useSandbox({ taskMs: 8_000, workers: 1 });
    const running = cliIn(sandbox.root, redis.server().url).start(`--yes ${how}`);
    await running.stderr.waitFor(WAITS);
    running.signal("SIGINT");
    await running.stderr.waitFor(/Again: stop at once/);

    const second = performance.now();
    running.signal("SIGINT");

    expect((await running.result).code).toBe(130);
    expect(performance.now() - second).toBeLessThan(1_000);
  });
});

test.skipIf(!terminalAvailable())("a closed terminal lets the run go to its end", async () => {
  const sandbox = await useSandbox({ taskMs: 1_500, workers: 1 });
  const cli = cliIn(sandbox.root, redis.server().url);
  const running = cli.start("--yes", { tty: true });
  await running.stdout.waitFor(/waiting for celery-workers/);

  running.signal("SIGKILL"); // `script` is the terminal: it goes, and the program gets SIGHUP
  await running.result;

  const runs = async () => (await cli.run("runs --json")).json() as { runs: { verdict: string }[] };
  await expect
    .poll(async () => (await runs()).runs, { timeout: 15_000 })
    .toMatchObject([{ verdict: "done" }]);
  expect(sandbox.services.map(({ pid }) => pid).filter(isAlive)).toEqual([]);
});

test("a closed terminal leaves no worker behind", async () => {
  const sandbox = await useSandbox({ taskMs: 300, workers: 1 });
  const running = cliIn(sandbox.root, redis.server().url).start("--yes");
  await running.stderr.waitFor(/stop-services: running/);
  running.signal("SIGHUP");
  const { code } = await running.result;
  expect(code).toBe(0);
  await waitUntil(
    async () => (await redis.client().zcard("{safe-shutdown-telegram-ai-scraper}:workers")) === 0,
    "no worker",
  );
});

test("Ctrl-C while Redis is away: Redis is told as soon as it is back, and the run ends then", async () => {
  const away = await useRedis({ options: { appendonly: "yes", appendfsync: "always" } });
  const app = new LittleApp({ redisUrl: away.url });
  const service = await app.startService();
  const running = app.startCli(["stop", "--yes", "--host", "here"]);
  await service.wasAsked();
  await away.kill();

  running.signal("SIGINT");

  await running.stderr.waitFor(/Redis has not heard of it \(.*\), and is told as soon as it answers\./);
  await away.start();
  const { code, stdout, stderr } = await running.result;
  expect([code, stdout]).toEqual([130, expect.stringMatching(/stop-services +partial: cancelled/)]);
  expect(stderr).not.toContain("could not be cancelled");
  service.letGo();
});
