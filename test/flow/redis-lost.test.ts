import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Application } from "../../src/flow/application.ts";
import { follow } from "../../src/flow/events.ts";
import type { Run } from "../../src/flow/run.ts";
import type { RunView } from "../../src/flow/view.ts";
import { hurried } from "../support/hurried.ts";
import { LittleApp } from "../support/little-app.ts";
import { waitUntil } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";

async function openHurried(app: LittleApp): Promise<Application> {
  return (await app.open({ clock: hurried })).application;
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

test("what was finished here is handed in when Redis is back by then: it is in the history, and nobody does it again", async () => {
  const redis = await useRedis({ options: { appendonly: "yes", appendfsync: "always" } });
  const jobs = [{ module: "wait.mjs", flows: ["shutdown"], after: "clean-temp-files" }];
  const app = new LittleApp({ redisUrl: redis.url, config: { workerGrace: "30s", jobs } });
  writeFileSync(
    join(app.root, "wait.mjs"),
    `import { existsSync } from "node:fs";
     import { setTimeout } from "node:timers/promises";
     export default {
       name: "wait", summary: "Wait.", runsOn: "every host",
       run: async (_, { config }) => { while (!existsSync(config.root + "/go")) await setTimeout(10); },
     };`,
  );
  const service = await app.startService();
  const application = await openHurried(app);
  const run = await application.start("shutdown");
  const reporting = run.report({
    onTrouble: (what) => {
      if (what.startsWith("Redis did not come back"))
        void redis.start().then(() => writeFileSync(join(app.root, "go"), ""));
    },
  });
  await service.wasAsked();
  await redis.kill();
  service.letGo();

  const report = await reporting;
  expect(report).toMatchObject({ run: run.id, engine: "inline", verdict: "done" });
  expect(await application.report(run.id)).toEqual(report);
  expect((await application.runs())[0]).toMatchObject({ run: run.id, engine: "inline" });
  const second = await (await app.open()).application.start("shutdown");
  expect(second.attached).toBe(false);
});

test("what goes on here without Redis is followed here by whoever asks again, also when Redis is back, and handed in", async () => {
  const redis = await useRedis({ options: { appendonly: "yes", appendfsync: "always" } });
  const crawler = { name: "crawler", pidFiles: "pids/crawler.pid", matches: "crawler-service", grace: "12h" };
  const app = new LittleApp({
    redisUrl: redis.url,
    config: { workerGrace: "1s", stageDeadline: "1d", services: [crawler] },
  });
  const service = await app.startService();
  const application = await openHurried(app);
  const run = await application.start("stop");
  let takeOver = () => {};
  const isTakenOver = new Promise<void>((resolve) => {
    takeOver = resolve;
  });
  const told: string[] = [];
  const first = run.report({
    withinMs: 300_000, // five hurried seconds; two are over when Redis is given up
    onTrouble: (what) => {
      told.push(what);
      if (what.startsWith("Redis did not come back")) takeOver();
    },
  });
  await service.wasAsked();
  const before = (await application.workers()).map(({ id }) => id);
  await redis.kill();
  await isTakenOver;
  await expect(first).rejects.toMatchObject({
    code: "partial",
    message: `${run.id} is still going on after 5m; it goes on in this process, which can ask for its report again`,
  });

  await expect(run.report({ withinMs: 12_000 })).rejects.toMatchObject({ code: "partial" });
  await redis.start();
  const views: RunView[] = [];
  const again = run.report({
    onView: (view) => void views.push(view),
    onTrouble: (what) => void told.push(what),
  });
  const other = run.report();
  await expect(run.report({ withinMs: 12_000 })).rejects.toMatchObject({ code: "partial" });
  const known = (await application.workers()).map(({ id }) => id); // its heartbeat outlives it by 15 s
  expect(before).toEqual(expect.arrayContaining(known));
  service.letGo();

  const report = await again;
  expect(report).toMatchObject({ run: run.id, engine: "inline", verdict: "done" });
  expect(await other).toEqual(report);
  expect(views.length).toBeGreaterThan(0);
  expect(service.timesAsked).toBe(1);
  expect(await application.report(run.id)).toEqual(report);
  expect(told.at(-1)).toBe("Redis did not come back: doing the rest in this process, without it.");
});

test.each([
  { cancelled: "before", says: /^interrupted while Redis was lost; (run-\S+) was cancelled, .* runs \1$/ },
  { cancelled: "after", says: /before it heard that (run-\S+) is cancelled\. .* safe-shutdown cancel \1$/ },
])(
  "a run that was cancelled $cancelled Redis was lost is not finished here, and whoever follows it is told what is so",
  async ({ cancelled, says }) => {
    const redis = await useRedis();
    const app = new LittleApp({ redisUrl: redis.url });
    const service = await app.startService();
    const worker = await app.startWorker();
    const application = await openHurried(app);
    const run = await application.start("stop");
    const reporting = run.report();
    reporting.catch(() => {});
    await service.wasAsked();
    worker.signal("SIGSTOP"); // it ends nothing any more
    if (cancelled === "before") await run.cancel();
    await redis.stop();
    if (cancelled === "after")
      await expect(run.cancel()).rejects.toMatchObject({ code: "redis-unreachable" });
    await expect(reporting).rejects.toMatchObject({
      code: "interrupted",
      message: expect.stringMatching(says),
    });
    worker.signal("SIGCONT");
    service.letGo();
  },
);

test("whoever only follows a run is told that Redis was lost, where to look later, and how not to wait", async () => {
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
    message:
      `Redis was lost while following ${run.id}. When it is back: safe-shutdown runs ${run.id}. ` +
      "Here and now, without the queue: the same command with --inline",
  });
  service.letGo();
});

test("a worker that stays is not given up for a run that its process follows: it goes on when Redis is back", async () => {
  const redis = await useRedis({ options: { appendonly: "yes", appendfsync: "always" } });
  const crawler = { name: "crawler", pidFiles: "pids/crawler.pid", matches: "crawler-service", grace: "12h" };
  const app = new LittleApp({ redisUrl: redis.url, config: { stageDeadline: "1d", services: [crawler] } });
  const service = await app.startService();
  const application = await openHurried(app);
  await application.startWorker();
  const run = await application.start("shutdown");
  const reporting = run.report();
  await service.wasAsked();
  await redis.kill();
  await expect(reporting).rejects.toMatchObject({ code: "redis-unreachable" });
  await redis.start();
  service.letGo();
  expect(await run.report()).toMatchObject({ run: run.id, engine: "queue", verdict: "done" });
  expect(await application.workers()).toMatchObject([{ pid: process.pid, isCommand: false }]);
});

test("leaving off following ends the following at once, and the run goes on", async () => {
  const redis = await useRedis();
  const app = new LittleApp({ redisUrl: redis.url });
  const service = await app.startService();
  const worker = await app.startWorker();
  const { application } = await app.open();
  const run = await application.start("shutdown");
  let asked = 0;
  const counted: Run = {
    ...{ id: run.id, engine: run.engine, attached: false, cancel: () => run.cancel() },
    report: (options) => {
      asked += 1;
      const reporting = run.report(options);
      reporting.catch(() => {
        asked -= 1;
      });
      return reporting;
    },
  };
  for await (const event of follow(counted)) {
    expect(event.type).toBe("stage");
    break;
  }
  await waitUntil(() => asked === 0, "nobody to ask for the report any more", 2_000);
  expect(await application.stateOf(run.id)).toMatchObject({ state: "running" });
  await service.wasAsked();
  service.letGo();
  await expect(run.report()).resolves.toMatchObject({ verdict: "done" });
  worker.signal("SIGTERM");
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
      /^(run-\S+) is still going on after 300ms; it goes on without being followed; see safe-shutdown runs \1$/,
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
