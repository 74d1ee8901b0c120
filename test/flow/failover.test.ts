import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import {
  cliIn,
  IGNORES_SIGTERM,
  jobOf,
  reportOf,
  useApplication,
  useService,
} from "../support/application.ts";
import { isAlive } from "../support/processes.ts";
import { type PrivateRedis, useCluster, useSentinel } from "../support/redis.ts";

/* The queue's master dies while a service is being stopped, and its replica takes over. */

const CONFIG = `app: scraper
services: [{ name: workers, pidFiles: pids/worker.pid, matches: 'celery.*\\bworker\\b', grace: 6s }]`;

interface Place {
  readonly url: string;
  /** Kills the master that holds the queue; resolves when it was replaced. */
  failover(): Promise<void>;
}

/** The Cluster's master that holds the queue of the app. */
async function homeOf(masters: readonly PrivateRedis[], key: string): Promise<PrivateRedis> {
  for (const master of masters) {
    const client = new Redis(master.url);
    const isHere = await client.exists(key).catch(() => 0);
    client.disconnect();
    if (isHere === 1) return master;
  }
  throw new Error(`expected ${key} on one of the masters`);
}

const kinds: Record<string, () => Promise<Place>> = {
  "watched by sentinels": async () => {
    const watched = await useSentinel();
    return {
      url: watched.url,
      failover: async () => {
        await watched.failover();
      },
    };
  },
  "that is a Cluster": async () => {
    const cluster = await useCluster({ replicas: 1 });
    return {
      url: cluster.url,
      failover: async () =>
        cluster.failover(await homeOf(cluster.masters, "{safe-shutdown-scraper}:runs:meta")),
    };
  },
};

// a job whose state had not reached the replica yet is taken over after about 25 s, as after a crash
describe.each(Object.entries(kinds))("a Redis %s", { timeout: 90_000 }, (_, start) => {
  async function setUp() {
    const place = await start();
    const root = await useApplication({}, CONFIG);
    const service = await useService(root, "pids/worker.pid", ["celery", "worker"], IGNORES_SIGTERM);
    return { ...place, program: cliIn(root, place.url), pid: service.pid };
  }

  test("the command that does the run itself gets over it", async () => {
    const { program, failover, pid } = await setUp();
    const command = program.start("--yes --json -v", { timeoutMs: 60_000 });
    await command.stderr.waitFor(/job begins[\s\S]*stop-services|stop-services[\s\S]*job begins/);
    await failover();
    const result = await command.result;
    expect(isAlive(pid)).toBe(false);
    expect(result.code, result.stderr).toBe(0);
    const report = reportOf(result);
    expect(report).toMatchObject({ verdict: "done", engine: "queue" });
    expect(jobOf(report, "stop-services").totals.failed).toBe(0);
  });

  test("a worker gets over it, and works on", async () => {
    const { program, failover, pid } = await setUp();
    const worker = program.start("worker", { timeoutMs: 60_000 });
    await worker.stderr.waitFor(/is up/);
    const run = (await program.run("--yes --detach")).stdout.trim();
    await worker.stderr.waitFor(/"msg":"job begins"/);
    await failover();
    await worker.stderr.waitFor(/"msg":"run ended"/, 50_000);
    expect(isAlive(pid)).toBe(false);
    expect(reportOf(await program.run(`runs ${run} --json`))).toMatchObject({ verdict: "done" });
    expect((await program.run("clean --yes")).code).toBe(0);
    worker.signal("SIGTERM");
    expect((await worker.result).code).toBe(0);
  });
});
