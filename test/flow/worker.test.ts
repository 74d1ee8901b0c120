import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/system/clock.ts";
import { LittleApp } from "../support/little-app.ts";
import { waitUntil } from "../support/processes.ts";
import { sharedRedis, useRedis } from "../support/redis.ts";

const { server } = sharedRedis();
const littleApp = (config = {}) => new LittleApp({ redisUrl: server().url, config });
const stateOf = async (app: LittleApp, queue: string, id: string) =>
  (await app.queue(queue).getJob(id))?.getState();

describe("a worker that is asked to stop", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "with %s while idle ends within 2 s, exit code 0",
    async (signal) => {
      const app = littleApp();
      const worker = await app.startWorker();
      const asked = performance.now();
      worker.signal(signal);
      expect(await worker.result).toMatchObject({ code: 0, signal: null, stdout: "" });
      expect(performance.now() - asked).toBeLessThan(2_000);
      expect(await app.redis.exists(app.key("workers"))).toBe(0);
    },
  );

  test("while a job runs finishes that job, and leaves the rest of the run to others", async () => {
    const app = littleApp({ workerGrace: "20s" });
    const service = await app.startService();
    const worker = await app.startWorker();
    const { application } = await app.open();
    const run = await application.start("shutdown", { detach: true });
    await service.wasAsked();

    worker.signal("SIGTERM");
    await worker.stderr.waitFor(/stopping: current jobs may finish/);
    service.letGo();
    expect(await worker.result).toMatchObject({ code: 0 });
    expect(await stateOf(app, "host-here", `${run.id}.0.stop-services.here`)).toBe("completed");

    await application.startWorker();
    expect((await run.report()).verdict).toBe("done");
    expect(service.timesAsked).toBe(1);
  });

  test("gives the job back when the grace is over; another worker completes it at once", async () => {
    const app = littleApp({ workerGrace: "300ms" });
    const service = await app.startService();
    const worker = await app.startWorker();
    const { application } = await app.open();
    const run = await application.start("stop", { detach: true });
    await service.wasAsked();

    const asked = performance.now();
    worker.signal("SIGTERM");
    expect(await worker.result).toMatchObject({ code: 0 });
    expect(performance.now() - asked).toBeLessThan(5_000);
    expect(await stateOf(app, "host-here", `${run.id}.0.stop-services.here`)).toBe("waiting");

    app.forgetAsked();
    await application.startWorker();
    await service.wasAsked(2, 5_000);
    service.letGo();
    const report = await run.report();
    expect(report.verdict).toBe("done");
    expect(report.jobs.map(({ status }) => status)).toEqual(["done", "done", "done"]);
    expect((await app.queue("host-here").getJob(`${run.id}.0.stop-services.here`))?.attemptsMade).toBe(1);
  });

  test("twice ends at once", async () => {
    const app = littleApp({ workerGrace: "30s" });
    const service = await app.startService();
    const worker = await app.startWorker();
    const { application } = await app.open();
    await application.start("stop", { detach: true });
    await service.wasAsked();
    worker.signal("SIGTERM");
    await worker.stderr.waitFor(/stopping/);
    const asked = performance.now();
    worker.signal("SIGTERM");
    expect((await worker.result).code).toBe(1);
    expect(performance.now() - asked).toBeLessThan(1_000);
  });

  test("ends within its bound while Redis is away, idle or not", async () => {
    const redis = await useRedis();
    const config = { workerGrace: "300ms" };
    const app = new LittleApp({ redisUrl: redis.url, config });
    const busyApp = new LittleApp({ redisUrl: redis.url, config });
    const service = await busyApp.startService();
    const [idle, busy] = await Promise.all([app.startWorker(), busyApp.startWorker()]);
    const { application } = await busyApp.open();
    await application.start("stop", { detach: true });
    await service.wasAsked();
    await application.close();

    await redis.kill();
    const asked = performance.now();
    for (const worker of [idle, busy]) worker.signal("SIGTERM");
    const results = await Promise.all([idle.result, busy.result]);
    expect(performance.now() - asked).toBeLessThan(20_000); // BullMQ's longest wait before it tries again is 15 s
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
  });

  test("in this process closes within its bound while Redis is away", async () => {
    const redis = await useRedis();
    const app = new LittleApp({ redisUrl: redis.url, config: { workerGrace: "300ms" } });
    const { application } = await app.open();
    await application.startWorker();
    await application.client();
    await redis.kill();
    const asked = performance.now();
    await application.close();
    expect(performance.now() - asked).toBeLessThan(8_000);
  });
});

describe("a worker", () => {
  test("loses nothing of what its jobs did when the clock is set back meanwhile", async () => {
    const app = littleApp();
    await app.writeOldKeys(2);
    let backMs = 0;
    const clock = { ...systemClock, now: () => systemClock.now() - backMs };
    const hear = (_facts: object, message: string) => {
      if (message === "job begins") backMs = 60_000;
    };
    const { application } = await app.open({ clock, hear });
    const report = await (await application.start("clean")).report();
    expect(report.verdict).toBe("done");
    expect(report.jobs.map(({ status, totals }) => [status, totals.done])).toEqual([
      ["done", 1],
      ["done", 2],
      ["done", 1],
    ]);
    for (const { durationMs } of [report, ...report.jobs]) expect(durationMs).toBeGreaterThanOrEqual(0);
  });

  test.each([
    { aheadMs: 15 * 60_000, warns: "the clock here is 15m ahead of that of Redis" },
    { aheadMs: -7_200_000, warns: "the clock here is 2h behind that of Redis" },
    { aheadMs: 20_000, warns: undefined },
  ])("whose clock is $aheadMs ms ahead says: $warns", async ({ aheadMs, warns }) => {
    const app = littleApp();
    const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
    const { application, said } = await app.open({ clock });
    await application.startWorker();
    expect(said).toEqual(warns === undefined ? [] : [expect.stringContaining(warns)]);
  });

  test("goes on working when Redis was away for a moment", async () => {
    const redis = await useRedis();
    const app = new LittleApp({ redisUrl: redis.url });
    const worker = await app.startWorker();
    await redis.kill();
    await worker.stderr.waitFor(/trouble with Redis/);
    await redis.start();
    const { application } = await app.open();
    await waitUntil(async () => (await application.workers()).length === 1, "the worker to be back", 15_000);
    const report = await (await application.start("clean", { detach: true })).report();
    expect(report.verdict).toBe("done");
    expect(worker.child.exitCode).toBeNull();
  });

  test("does not start without Redis: exit code 75", async () => {
    const app = littleApp();
    const worker = app.startCli(["worker", "--redis", "redis://127.0.0.1:1/0"]);
    expect(await worker.result).toMatchObject({ code: 75 });
  });

  test("does not start where Redis refuses to be written to: exit code 75, and why", async () => {
    const redis = await useRedis();
    const app = new LittleApp({ redisUrl: redis.url });
    await app.redis.config("SET", "min-replicas-to-write", "1");
    const { code, stderr } = await app.startCli(["worker"]).result;
    expect([code, stderr]).toEqual([75, expect.stringContaining("of no use for the queue: NOREPLICAS")]);
  });

  test("logs JSON lines", async () => {
    const app = littleApp();
    const worker = await app.startWorker();
    worker.signal("SIGTERM");
    const { stderr } = await worker.result;
    const lines = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ msg }) => msg)).toEqual([
      "the maintenance worker is up",
      "stopping: current jobs may finish",
      "stopped",
    ]);
    expect(lines[0]).toMatchObject({ app: app.name, root: app.root, pid: worker.pid });
    expect(lines.map(({ host }) => host)).toEqual(Array(3).fill("here"));
  });
});
