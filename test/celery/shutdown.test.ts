import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cliIn, jobOf, reportOf } from "../support/application.ts";
import { CeleryApp, celeryAvailable } from "../support/celery.ts";
import { processesIn, waitUntil } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";
import { temporaryDirectory } from "../support/temp.ts";

/* The main job on the real thing: Celery's prefork worker and beat, stopped while they work. */

const TASKS = 20;

describe.skipIf(!celeryAvailable())("a real Celery application at work on 20 tasks", () => {
  test("is stopped without losing a task or running one twice", { timeout: 60_000 }, async () => {
    const { root, redisUrl, app, submitted } = await atWork({ taskSeconds: 1, begun: 3 });

    const result = await cliIn(root, redisUrl).run("--yes --json", { timeoutMs: 30_000 });

    expect(result.code).toBe(0);
    expect(processesIn(root)).toEqual([]);
    const [started, finished] = [await app.started(), await app.finished()];
    const waiting = [...(await app.queued()), ...(await app.unacknowledged())];
    expect([...finished, ...waiting].sort(), "finished or still queued, each once").toEqual(
      submitted.toSorted(),
    );
    expect(started.sort(), "what was begun was finished, and nothing was begun twice").toEqual(
      finished.sort(),
    );
    expect(finished.length).toBeGreaterThanOrEqual(2);
    expect(waiting.length).toBeGreaterThan(0);
    expect(await app.stopped(), "in an orderly way, beat first").toEqual(["beat", "worker"]);
    expect(readdirSync(join(root, "pids"))).toEqual([]);
    const order = jobOf(reportOf(result), "stop-services").items.flatMap(
      ({ target }) => /^[\w-]+(?= \(pid)/.exec(target) ?? [],
    );
    expect(order).toEqual(["celery-beat", "celery-workers", "flower"]);
  });

  test("is killed within 3 s by --force, pool children too, and the report counts what was cut off", {
    timeout: 60_000,
  }, async () => {
    const { root, redisUrl, app, submitted } = await atWork({ taskSeconds: 10, begun: 2 }); // so long that no child ends by itself
    const cli = cliIn(root, redisUrl);
    const startUpMs = (await cli.run("status")).durationMs;
    const pids = processesIn(root);
    expect(pids).toHaveLength(5); // worker, its 2 children, beat, Flower

    const running = cli.start("--force --json");
    const startedAt = performance.now();
    await waitUntil(() => processesIn(root).length === 0, "every process to be gone");
    expect(performance.now() - startedAt).toBeLessThan(3_000 + startUpMs);

    const result = await running.result;
    expect(result.code).toBe(0);
    const [started, finished] = [await app.started(), await app.finished()];
    const cutOff = started.filter((id) => !finished.includes(id));
    const reasons = jobOf(reportOf(result), "stop-services").items.map(({ reason }) => reason ?? "");
    expect(reasons.filter((reason) => /cut off/.test(reason))).toEqual([
      expect.stringMatching(new RegExp(`\\b${cutOff.length} running tasks? (was|were) cut off`)),
    ]);
    expect(cutOff).toHaveLength(2);
    const waiting = [...(await app.queued()), ...(await app.unacknowledged())];
    expect([...finished, ...cutOff, ...waiting].sort(), "the others are not lost").toEqual(
      submitted.toSorted(),
    );
    expect(readdirSync(join(root, "pids"))).toEqual([]);
  });
});

/** With some tasks begun, some taken by the worker, some still in the queue. */
async function atWork({ taskSeconds, begun }: { taskSeconds: number; begun: number }) {
  const root = temporaryDirectory();
  const { url: redisUrl } = await useRedis();
  const app = new CeleryApp({ root, redisUrl, taskSeconds });
  await app.startBeat();
  await app.startWorker();
  await app.startFlower();
  const submitted = await app.submit(TASKS);
  await app.hasStarted(begun);
  return { root, redisUrl, app, submitted };
}
