import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { cliIn, jobOf, reportOf, useApplication, useService } from "../support/application.ts";
import { HOUR } from "../support/hands.ts";
import { isAlive } from "../support/processes.ts";
import { useClient, useRedis } from "../support/redis.ts";

const CONFIG = `app: scraper
services: [{ name: workers, pidFiles: pids/worker.pid, matches: 'celery.*\\bworker\\b', grace: 5s }]
temp: [{ files: "*.tmp" }]
redis: { prune: [{ keys: "message:*", olderThan: 1h, age: [{ ttl: 24h }] }] }`;

test.each([
  {
    redis: "full",
    says: /is of no use for the queue: .*OOM/,
    spoil: (client: Redis) => client.config("SET", "maxmemory", "1"),
  },
  {
    redis: "read-only",
    says: /READONLY|MASTERDOWN/,
    spoil: (client: Redis) => client.replicaof("127.0.0.1", 1),
  },
])(
  "with a Redis that is $redis, services are stopped in this process, within 15 s",
  async ({ spoil, says }) => {
    const redis = await useRedis();
    const client = useClient(redis.url);
    await client.set("message:1", "x", "EX", 3_600);
    await spoil(client);
    const root = await useApplication({ "a.tmp": { ageMs: HOUR } }, CONFIG);
    const { pid } = await useService(root, "pids/worker.pid", ["celery", "worker"]);

    const result = await cliIn(root, redis.url).run("--yes --json", { timeoutMs: 25_000 });

    expect(isAlive(pid)).toBe(false);
    expect(result.stderr).toContain(
      `Running in this process, without the queue: Redis at 127.0.0.1:${redis.port} `,
    );
    expect(result.stderr).toMatch(says);
    expect(result.durationMs).toBeLessThan(15_000);
    const report = reportOf(result);
    expect(report.engine).toBe("inline");
    for (const job of ["stop-services", "clean-temp-files", "check-system"])
      expect(jobOf(report, job).status).toBe("done");
    expect([0, 3]).toContain(result.code);
    expect(result.code === 0).toBe(report.verdict === "done");
  },
);

test("a worker that cannot sign in to a full Redis ends with an error instead of hanging", async () => {
  const redis = await useRedis();
  await useClient(redis.url).config("SET", "maxmemory", "1");
  const root = await useApplication({}, CONFIG);
  const { code, stderr } = await cliIn(root, redis.url).run("worker");
  expect(code).toBe(75);
  expect(stderr).toMatch(/^error: Redis at \S+ is of no use for the queue: .*OOM/m);
});
