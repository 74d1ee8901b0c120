import type { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { allow, linesFor, refusals, SUBMITTER, urlAs, WORKER } from "../support/acl.ts";
import { cliIn, jobOf, reportOf, useApplication, useService } from "../support/application.ts";
import { HOUR } from "../support/hands.ts";
import { useClient, useCluster, useRedis } from "../support/redis.ts";

/* The program under exactly the users that docs/redis.md gives it, and what these may not. */

const CONFIG = `app: scraper
services: [{ name: workers, pidFiles: pids/*.pid, matches: 'celery.*\\bworker\\b', grace: 5s }]
redis:
  prune:
    - { keys: "message:*", olderThan: 10m, age: [{ ttl: 24h }, idle], withoutTtl: expire }
    - { keys: "celery-task-meta-*", olderThan: 10m, age: [{ json: date_done }] }
schedule: [{ name: often, run: clean, cron: "*/4 * * * * *" }]`;

async function setUp() {
  const redis = await useRedis();
  const admin = useClient(redis.url);
  await allow(admin, [...(await linesFor(admin, WORKER)), ...(await linesFor(admin, SUBMITTER))]);
  const root = await useApplication({}, CONFIG);
  const as = (user: string) => cliIn(root, urlAs(user, redis.url));
  return { redis, admin, root, worker: as(WORKER), submitter: as(SUBMITTER) };
}

async function fill(admin: Redis): Promise<void> {
  await admin.set("message:old", "x", "PX", 23 * HOUR);
  await admin.set("message:forever", "x");
  const result = { status: "SUCCESS", date_done: "2020-01-01T00:00:00", group_id: "g" };
  await admin.set("celery-task-meta-1", JSON.stringify(result));
}

/** Everything a worker does, a forced stop and a host that is not there among it. Resolves when it has ended. */
async function workerAtWork({ admin, root, worker, redis }: Awaited<ReturnType<typeof setUp>>) {
  await fill(admin);
  await useService(root, "pids/worker.pid", ["celery", "worker"]);
  const listener = useClient(redis.url); // as Celery's workers do: so that an answer is waited for
  await listener.subscribe("/0.celery.pidbox");
  const running = worker.start("worker", { timeoutMs: 80_000 });
  await running.stderr.waitFor(/is up/);
  const shutdown = await worker.run("--force --json");
  expect(shutdown.code, shutdown.stderr).toBe(0);
  expect(jobOf(reportOf(shutdown), "prune-redis").totals.failed).toBe(0);
  expect(await admin.exists("message:old", "celery-task-meta-1")).toBe(0); // by this run, or the schedule's
  expect(await admin.ttl("message:forever")).toBeGreaterThan(0);
  const absent = await worker.run("clean --yes --hosts ghost --json");
  expect(reportOf(absent).unreachable, absent.stderr).toEqual(["ghost"]);
  await running.stderr.waitFor(/"flow":"clean"[^\n]*"msg":"run ended"/); // by the schedule
  for (const words of ["status", "runs", "schedule", "check"]) expect((await worker.run(words)).code).toBe(0);
  return running;
}

test("a worker works under its user, a submitter under its own, and nothing is refused", {
  timeout: 90_000,
}, async () => {
  const place = await setUp();
  const { admin, submitter } = place;
  const running = await workerAtWork(place);

  const followed = await submitter.run("clean --yes --json");
  expect(followed.code, followed.stderr).toBe(0);
  expect(reportOf(followed).engine).toBe("queue");
  const run = (await submitter.run("stop --yes --detach")).stdout.trim();
  const cancelled = await submitter.run(`cancel ${run}`);
  expect([0, 2]).toContain(cancelled.code); // 2: it has ended
  for (const words of [`runs ${run}`, "runs", "schedule"]) {
    const { code, stderr } = await submitter.run(words);
    expect(code, `${stderr}${await refusals(admin)}`).toBe(0);
  }
  running.signal("SIGTERM");
  expect((await running.result).code).toBe(0);
  expect(await refusals(admin)).toEqual([]);
});

test("on a Cluster a worker works under its user too", { timeout: 90_000 }, async () => {
  const { url, masters } = await useCluster();
  for (const { url: node } of masters) {
    const client = useClient(node);
    await allow(client, await linesFor(client, WORKER, true));
  }
  const root = await useApplication({}, CONFIG);
  const worker = cliIn(root, urlAs(WORKER, url));
  const { code, stderr, stdout } = await worker.run("--yes --json");
  expect(code, stdout + stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ engine: "queue", verdict: "done" });
  for (const { url: node } of masters) expect(await refusals(useClient(node))).toEqual([]);
});

describe("each word of the document is needed", () => {
  test("every command and every category is used", { timeout: 90_000 }, async () => {
    const place = await setUp();
    const { admin } = place;
    const running = await workerAtWork(place);
    running.signal("SIGTERM");
    await running.result;

    const stats = await admin.info("commandstats");
    const used = [...stats.matchAll(/^cmdstat_([^:]+):/gm)].map(([, name = ""]) => name);
    const needless: string[] = [];
    for (const line of await linesFor(admin, WORKER)) {
      const rules = line.filter((word) => /^[+-]/.test(word));
      for (const rule of rules.filter((word) => word.startsWith("+"))) {
        const needed = await namesOf(admin, rule.slice(1));
        if (!used.some((command) => needed.includes(command))) needless.push(rule);
      }
    }
    expect(needless).toEqual([]);
  });

  test.each(["+@hash", "+@stream", "~{safe-shutdown-scraper}:*", "+eval"])(
    "without %s a worker does not come up, or says so",
    async (word) => {
      const { admin, worker } = await setUp();
      await admin.call("ACL", "SETUSER", WORKER, "reset");
      const lines = await linesFor(admin, WORKER);
      await allow(
        admin,
        lines.map((line) => line.filter((one) => one !== word)),
      );
      await fill(admin);
      const { stdout, stderr } = await worker.run("clean --yes --json");
      expect(`${stdout}${stderr}`).toMatch(/NOPERM|of no use|permission/);
    },
  );
});

async function namesOf(admin: Redis, rule: string): Promise<string[]> {
  return rule.startsWith("@") ? ((await admin.call("ACL", "CAT", rule.slice(1))) as string[]) : [rule];
}

describe.each([WORKER, SUBMITTER])("%s may not", (user) => {
  test.each([
    ["FLUSHALL"],
    ["FLUSHDB"],
    ["KEYS", "*"],
    ["CONFIG", "GET", "*"],
    ["ACL", "LIST"],
    ["SHUTDOWN", "NOSAVE"],
    ["CLIENT", "LIST"],
    ["MONITOR"],
    ["GET", "secrets"],
    ["SET", "other:1", "x"],
    ["EVAL", "return redis.call('GET', 'secrets')", "0"],
    ["EVAL", "return redis.call('UNLINK', 'secrets')", "0"],
    ["PUBLISH", "news", "x"],
    ["GET", "{safe-shutdown-other}:runs:meta"],
  ])("%s %s", async (...command: string[]) => {
    const { redis, admin } = await setUp();
    await admin.set("secrets", "x");
    const client = useClient(urlAs(user, redis.url));
    onTestFinished(() => client.disconnect());
    const [name = "", ...args] = command;
    await expect(client.call(name, ...args)).rejects.toThrow(/NOPERM|permission|can't (access|run)/i);
  });
});

test("a submitter changes nothing but requests", async () => {
  const { redis, admin } = await setUp();
  await admin.hset("{safe-shutdown-scraper}:host-h1:1", "a", "b");
  const client = useClient(urlAs(SUBMITTER, redis.url));
  for (const key of ["{safe-shutdown-scraper}:host-h1:1", "{safe-shutdown-scraper}:history:shutdown"]) {
    await expect(client.hset(key, "a", "c")).rejects.toThrow(/NOPERM/);
  }
  await expect(client.call("UNLINK", "{safe-shutdown-scraper}:runs:meta")).rejects.toThrow(/NOPERM/);
});
