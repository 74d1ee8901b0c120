import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CeleryTasks } from "../../src/system/celery-tasks.ts";
import { systemClock } from "../../src/system/clock.ts";
import { CeleryApp, celeryAvailable } from "../support/celery.ts";
import { useClient, useRedis } from "../support/redis.ts";
import { temporaryDirectory } from "../support/temp.ts";

describe.skipIf(!celeryAvailable())("what a real Celery worker is executing", () => {
  test("is told by the worker, and leaves no trace in the broker", async () => {
    const server = await useRedis();
    const root = temporaryDirectory();
    const app = new CeleryApp({ root, redisUrl: server.url, taskSeconds: 5 });
    await app.startWorker();
    const pid = pidIn(root, "celery_worker.pid");
    const tasks = new CeleryTasks(server.url, true, systemClock);
    expect(await tasks.runningIn(pid)).toEqual({ running: 0, unacknowledged: 0 });

    const redis = useClient(server.url);
    const before = (await redis.keys("*")).sort();
    await app.submit(5);
    await app.hasStarted(2);
    expect(await tasks.runningIn(pid)).toEqual({ running: 2, unacknowledged: 0 });
    expect(await tasks.unacknowledged()).toBe(3); // reserved, not begun
    const added = (await redis.keys("*")).filter((key) => !before.includes(key) && key.includes("reply"));
    expect(added).toEqual([]);
    expect(await redis.smembers("_kombu.binding.reply.celery.pidbox")).toEqual([]);
  });

  test("stays unknown for a pid that is no worker, and in a plan", async () => {
    const server = await useRedis();
    const root = temporaryDirectory();
    await new CeleryApp({ root, redisUrl: server.url }).startWorker();
    const pid = pidIn(root, "celery_worker.pid");
    expect(await new CeleryTasks(server.url, true, systemClock).runningIn(process.pid)).toBeUndefined();
    expect(await new CeleryTasks(server.url, false, systemClock).runningIn(pid)).toBeUndefined();
  });
});

test("nothing is asked for long where no worker listens", async () => {
  const server = await useRedis();
  const startedAt = performance.now();
  expect(await new CeleryTasks(server.url, true, systemClock).runningIn(1)).toBeUndefined();
  expect(performance.now() - startedAt).toBeLessThan(900);
});

function pidIn(root: string, name: string): number {
  return Number(readFileSync(join(root, "pids", name), "utf8"));
}
