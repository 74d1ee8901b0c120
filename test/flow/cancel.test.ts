import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RunReport } from "../../src/index.ts";
import { LittleApp } from "../support/little-app.ts";
import { isAlive } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

const { server } = sharedRedis();
const littleApp = () => new LittleApp({ redisUrl: server().url });
const left = ({ root }: LittleApp, ...paths: string[]) =>
  paths.filter((path) => existsSync(join(root, path)));
const outline = ({ jobs }: RunReport) =>
  jobs.map(({ job, status, reason }) => `${job}: ${status} (${reason ?? ""})`);

const CANCELLED = [
  "stop-services: partial (cancelled)",
  "clean-session-locks: skipped (the run was cancelled before)",
  "prune-redis: skipped (the run was cancelled before)",
  "clean-temp-files: skipped (the run was cancelled before)",
  "check-system: skipped (the run was cancelled before)",
];

describe.each(["queue", "inline"])(
  "cancelling a run of the %s engine while it waits for a service",
  (engine) => {
    test("ends it soon as partial, and says what was left undone", async () => {
      const app = littleApp();
      await app.writeOldKeys(2);
      const service = await app.startService();
      const { application } = await app.open();
      const run = await application.start("shutdown", { inline: engine === "inline" });
      const reporting = run.report();
      await service.wasAsked();

      const cancelledAt = performance.now();
      await run.cancel();
      const report = await reporting;

      expect(performance.now() - cancelledAt).toBeLessThan(5_000); // the service has 30 s of grace
      expect(report).toMatchObject({ verdict: "partial", engine, system: null, unreachable: [] });
      expect(outline(report)).toEqual(CANCELLED);
      expect(report.jobs[0]?.items).toEqual([
        {
          target: `crawler (pid ${service.pid})`,
          outcome: "failed",
          reason: "was asked to stop, and is still running",
        },
        { target: "pids/crawler.pid", outcome: "kept", reason: `pid ${service.pid} is still running` },
      ]);
      const untouched = ["stale.lock", "logs/app.log.1", "pids/crawler.pid"];
      expect(left(app, ...untouched)).toEqual(untouched);
      expect(await app.redis.keys(`${app.name}:message:*`)).toHaveLength(2);
      expect(isAlive(service.pid)).toBe(true);
    });
  },
);

test("a run can be cancelled from another process, and its worker goes on working", async () => {
  const app = littleApp();
  const service = await app.startService();
  const worker = await app.startWorker();
  const { application } = await app.open();
  const run = await application.start("shutdown", { detach: true });
  await service.wasAsked();

  const cancelling = await app.startCli(["cancel", run.id, "--host", "here"]).result;

  expect(cancelling.code).toBe(0);
  expect(outline(await run.report())).toEqual(CANCELLED);
  expect(worker.child.exitCode).toBeNull();
  service.letGo();
  const again = await application.start("shutdown");
  expect(again.attached).toBe(false);
  expect((await again.report()).verdict).toBe("done");
});

test("a job that comes to its worker only after the cancellation is not begun", async () => {
  const app = littleApp();
  const service = await app.startService();
  const worker = await app.startWorker();
  const { application } = await app.open();
  const run = await application.start("stop", { detach: true });
  await service.wasAsked();
  worker.signal("SIGKILL");
  await worker.result;
  await application.cancel(run.id);

  await application.startWorker();
  await app.expireLocks("host-here");
  const report = await run.report();

  expect(report.verdict).toBe("partial");
  expect(report.jobs.map(({ status, reason }) => `${status} ${reason}`)).toEqual(
    Array(3).fill("skipped the run was cancelled before"),
  );
  expect(service.timesAsked).toBe(1);
});

test("what has ended, or never was, cannot be cancelled", async () => {
  const app = littleApp();
  const { application } = await app.open();
  const run = await application.start("clean");
  await run.report();
  await expect(run.cancel()).rejects.toMatchObject({
    code: "usage",
    message: expect.stringMatching(/has ended/),
  });
  await expect(application.cancel("run-x")).rejects.toMatchObject({
    code: "usage",
    message: "run-x cannot be cancelled: there is no such run; see safe-shutdown runs",
  });
  expect(await app.redis.keys(app.key("cancel", "*"))).toEqual([]);
});
