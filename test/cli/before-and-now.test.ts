import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Sandbox } from "../../demo/sandbox.ts";
import { cliIn, useSandbox } from "../support/application.ts";
import { isAlive, processesIn } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

/* The commands that replace the scraper's shell scripts, row by row of the table in the design. */

const redis = sharedRedis();

test("scripts/safe_shutdown.sh is now `safe-shutdown`: all stopped, stale things gone, the summary it had", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });

  const { code, stdout } = await cliIn(sandbox.root, redis.server().url).run("--yes");

  expect(code).toBe(0);
  expect(runningServices(sandbox)).toEqual([]);
  expect(stillThere(sandbox)).toEqual([]);
  expect(stdout).toMatch(/shutdown: done in /);
  expect(stdout).toMatch(/^Service +celery-workers: stopped$/m);
  expect(stdout).toMatch(/^Redis +preserved and reachable, [\d.]+ [kM]B used$/m);
  expect(stdout).toMatch(/^Session +telegram_session.session preserved, 3 days old$/m);
  expect(stdout).toMatch(/^Locks +3 left$/m);
  expect(stdout).toMatch(/^Totals +\d+ done \([\d.]+ k?B freed\), \d+ kept, 0 changed meanwhile, 0 failed$/m);
  expect(stdout).toContain("Next steps\n  ./scripts/quick_start.sh\n  ./scripts/status.sh\n");
});

test("scripts/safe_shutdown.sh --force is now `safe-shutdown --force`: killed at once, pool children too, without a question", async () => {
  const sandbox = await useSandbox({ taskMs: 60_000 });

  const { code, stdout } = await cliIn(sandbox.root, redis.server().url).run("--force");

  expect(code).toBe(0);
  expect(runningServices(sandbox)).toEqual([]);
  expect(stdout).toMatch(/celery-workers \(pid \d+\) +killed \(3 processes\)/);
  expect(stillThere(sandbox)).toEqual([]);
});

test("scripts/safe_shutdown.sh --keep-redis is now `safe-shutdown --keep-redis`: every key stays", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });

  const { code, stdout } = await cliIn(sandbox.root, redis.server().url).run("--yes --keep-redis");

  expect(code).toBe(0);
  expect(stdout).toContain("prune-redis  skipped: Redis is left alone (--keep-redis)");
  expect(await redis.client().exists(...sandbox.keys.removed)).toBe(sandbox.keys.removed.length);
  for (const key of sandbox.keys.givenTtl) expect(await redis.client().pttl(key)).toBe(-1);
  expect(runningServices(sandbox)).toEqual([]);
});

test.each([
  { row: "stop", replaces: "stop", grace: /celery-workers \(pid \d+\) +stopped in / },
  {
    row: "stop --force",
    replaces: "stop --force",
    grace: /celery-workers \(pid \d+\) +killed \(3 processes\)/,
  },
])(
  "scripts/deploy_celery.sh $replaces is now `safe-shutdown $row`: stopped, and cleaned of stale locks only",
  async ({ row, grace }) => {
    const sandbox = await useSandbox({ redisUrl: redis.server().url });
    const yes = row.includes("--force") ? "" : "--yes";

    const { code, stdout } = await cliIn(sandbox.root, redis.server().url).run(`${row} ${yes}`);

    expect(code).toBe(0);
    expect(runningServices(sandbox)).toEqual([]);
    expect(stdout).toMatch(grace);
    expect(existsSync(join(sandbox.root, "stale.lock"))).toBe(false);
    expect(existsSync(join(sandbox.root, "telegram_session.lock"))).toBe(true);
    expect(existsSync(join(sandbox.root, "scraper/__pycache__"))).toBe(true);
    expect(await redis.client().exists(...sandbox.keys.removed)).toBe(sandbox.keys.removed.length);
  },
);

test("scripts/status.sh is now `safe-shutdown status`: says what is there and touches nothing", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });
  const before = processesIn(sandbox.root);

  const { code, stdout } = await cliIn(sandbox.root, redis.server().url).run("status");

  expect(code).toBe(0);
  const [beat] = sandbox.services;
  expect(stdout).toContain(`celery-beat: running, pid ${beat?.pid}`);
  expect(stdout).toMatch(/telegram_session.lock +2h old, held by pid \d+ \(flock\)/);
  expect(stdout).toMatch(/^Workers +none alive/m);
  expect(stdout).toMatch(/^Last run +none known$/m);
  expect(processesIn(sandbox.root)).toEqual(before);
});

test("two crontab lines are now `safe-shutdown worker`: it fires the schedule itself", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });
  const cli = cliIn(sandbox.root, redis.server().url);
  const slots = "{safe-shutdown-telegram-ai-scraper}:slots";
  // As if the worker had been down since yesterday: what it missed is made up once, at its start.
  for (const name of ["prune-redis", "nightly-hygiene"])
    await redis.client().zadd(slots, Date.now() - 86_400_000 - 3_600_000, name);

  const worker = cli.start("worker");
  await worker.stderr.waitFor(/"schedule":"prune-redis","run":"run-prune-redis-\w+","msg":"slot queued"/);
  await worker.stderr.waitFor(/"schedule":"nightly-hygiene","run":"(run-nightly-hygiene-\w+)"/);
  await expect
    .poll(async () => (await cli.run("schedule")).stdout, { timeout: 15_000 })
    .toMatch(/prune-redis .* last .*: done;.*\nnightly-hygiene .* last .*: done;/);
  worker.signal("SIGTERM");

  expect((await worker.result).code).toBe(0);
  expect(await redis.client().exists(...sandbox.keys.removed)).toBe(0);
  expect(existsSync(join(sandbox.root, "stale.lock"))).toBe(false);
  expect(runningServices(sandbox)).toHaveLength(sandbox.services.length);
});

function runningServices(sandbox: Sandbox): number[] {
  const pool = sandbox.services.flatMap((service) => service.pool).filter(isAlive);
  const main = sandbox.services.map(({ pid }) => pid).filter(isAlive);
  return main.length > 0 ? main : pool;
}

function stillThere(sandbox: Sandbox): string[] {
  return sandbox.files.removed.filter((path) => existsSync(join(sandbox.root, path)));
}
