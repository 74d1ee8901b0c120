import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Application } from "../../src/flow/application.ts";
import { openApplication } from "../../src/flow/open.ts";
import { systemClock } from "../../src/system/clock.ts";
import { LittleApp } from "../support/little-app.ts";
import { useRedis } from "../support/redis.ts";

/** Two minutes of patience are over in two seconds. */
const hurried = {
  ...systemClock,
  elapsed: () => systemClock.elapsed() * 60,
  sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 60, signal),
};

async function openHurried(app: LittleApp): Promise<Application> {
  const log = { info: () => {}, warn: () => {} };
  const { application } = await openApplication({ root: app.root, host: "here", log });
  const { config, catalog } = application;
  const fast = new Application(config, { catalog, log, clock: hurried, version: "0.0.0" });
  onTestFinished(() => fast.close());
  return fast;
}

test("a run whose Redis never comes back is finished in the process that is its worker, and told whole", async () => {
  const redis = await useRedis();
  const app = new LittleApp({ redisUrl: redis.url, config: { workerGrace: "30s" } });
  const service = await app.startService();
  const application = await openHurried(app);
  const run = await application.start("shutdown");
  const said: string[] = [];
  const reporting = run.report({ onTrouble: (what) => void said.push(what) });
  await service.wasAsked();
  await redis.stop();
  service.letGo();

  const report = await reporting;
  expect(report).toMatchObject({ run: run.id, engine: "inline", verdict: "done" });
  expect(report.jobs.find(({ job }) => job === "stop-services")?.items).toMatchObject([
    { target: `crawler (pid ${service.pid})`, outcome: "done" },
    { target: "pids/crawler.pid", outcome: "done" },
  ]);
  expect(report.jobs.find(({ job }) => job === "prune-redis")?.status).toBe("skipped");
  expect(existsSync(join(app.root, "stale.lock"))).toBe(false);
  expect(said).toEqual([
    expect.stringMatching(/^Redis is of no use \(.*\): waiting for it, up to 2m\.$/),
    "Redis did not come back: doing the rest in this process, without it.",
    `When Redis is back, what is left there of the run is to go: safe-shutdown cancel ${run.id}`,
  ]);
});

test("whoever only follows a run is told that Redis was lost, and where to look later", async () => {
  const redis = await useRedis();
  const app = new LittleApp({ redisUrl: redis.url });
  const service = await app.startService();
  await app.startWorker();
  const application = await openHurried(app);
  const run = await application.start("shutdown");
  const reporting = run.report();
  await service.wasAsked();
  await redis.stop();
  await expect(reporting).rejects.toMatchObject({
    code: "redis-unreachable",
    message: `Redis was lost while following ${run.id}. When it is back: safe-shutdown runs ${run.id}`,
  });
  service.letGo();
});

test("waiting with a deadline ends then, and the run goes on", async () => {
  const redis = await useRedis();
  const app = new LittleApp({ redisUrl: redis.url });
  const service = await app.startService();
  const { application } = await app.open();
  const run = await application.start("shutdown");
  await expect(run.report({ withinMs: 300 })).rejects.toMatchObject({
    code: "partial",
    message: expect.stringMatching(
      /^run-\S+ is still going on after 300ms; it goes on without being followed$/,
    ),
  });
  expect(await application.going()).toMatchObject([{ run: run.id, flow: "shutdown", state: "running" }]);
  const elsewhere = await (await app.open()).application.attach(run.id);
  await service.wasAsked();
  service.letGo();
  expect(await elsewhere.report()).toMatchObject({ run: run.id, verdict: "done" });
  expect(await application.going()).toEqual([]);
  await expect(application.attach("run-none")).rejects.toMatchObject({ code: "usage" });
});
