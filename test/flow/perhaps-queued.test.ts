import { expect, test } from "vitest";
import { systemClock } from "../../src/system/clock.ts";
import { hurried } from "../support/hurried.ts";
import { LittleApp } from "../support/little-app.ts";
import { waitUntil } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";
import { useRedisProxy } from "../support/redis-proxy.ts";

/*
 * Redis is lost at the very moment when it is told of a run: it may carry it out later, or never have heard of it.
 * Either way there is one run, and it is done.
 */

const pause = (app: LittleApp, ms: number) => app.redis.call("CLIENT", "PAUSE", String(ms), "WRITE");
const idsIn = (app: LittleApp, flow: string) => app.redis.zrange(app.key("history", flow), "0", "-1");

/** An application whose worker is up, in this process, unless it is to be a command's. */
async function setUp(redisUrl: string, { clock = systemClock, stays = true } = {}) {
  const app = new LittleApp({ redisUrl });
  const service = await app.startService();
  const { application } = await app.open({ clock });
  if (stays) await application.startWorker();
  return { app, service, application };
}

test("a run that Redis takes up late is done once, and followed", async () => {
  const { app, service, application } = await setUp((await useRedis()).url);
  await pause(app, 3_500);
  const run = await application.start("stop");
  const reporting = run.report();
  await service.wasAsked();
  service.letGo();
  expect(await reporting).toMatchObject({ run: run.id, engine: "queue", verdict: "done" });
  expect(service.timesAsked).toBe(1);
  expect(await idsIn(app, "stop")).toEqual([run.id]);
  expect(await application.going()).toEqual([]);
});

test("a run that Redis never heard of is put into the queue as soon as it is back", async () => {
  const redis = await useRedis();
  const proxy = await useRedisProxy(redis.port);
  const { app, service, application } = await setUp(proxy.url);
  const held = proxy.holdBefore({ text: "stop apply on here" });
  const starting = application.start("stop");
  (await held).cut();
  const run = await starting;
  expect(await app.queue("runs").getJob(run.id)).toBeUndefined();
  const reporting = run.report();
  await service.wasAsked();
  service.letGo();
  expect(await reporting).toMatchObject({ run: run.id, engine: "queue", verdict: "done" });
  expect(service.timesAsked).toBe(1);
});

test("one that was cancelled meanwhile is not begun", async () => {
  const { app, service, application } = await setUp((await useRedis()).url);
  await pause(app, 3_000);
  const run = await application.start("stop");
  const reporting = run.report();
  await run.cancel();
  const { verdict, jobs } = await reporting;
  expect(verdict).toBe("partial");
  expect(new Set(jobs.map(({ reason }) => reason))).toEqual(new Set(["the run was cancelled before"]));
  expect(service.timesAsked).toBe(0);
});

test("a detached one says that it may be run yet", async () => {
  const { app, application } = await setUp((await useRedis()).url);
  await app.startWorker();
  await pause(app, 2_500);
  await expect(application.start("clean", { detach: true })).rejects.toMatchObject({
    code: "redis-unreachable",
    message: expect.stringMatching(
      /^Redis was lost while (run-\S+) was put into the queue: it may be run yet\. When it is back: safe-shutdown runs \1$/,
    ),
  });
});

test("one that is done here in the end is not done again, should Redis carry it out after all", async () => {
  const redis = await useRedis();
  const proxy = await useRedisProxy(redis.port);
  const { app, service, application } = await setUp(proxy.url, { clock: hurried, stays: false });
  const held = proxy.holdBefore({ text: "stop apply on here" });
  const starting = application.start("stop");
  const { cut } = await held;
  await redis.stop();
  cut();
  const run = await starting;
  let isBack = Promise.resolve();
  const reporting = run.report({
    onTrouble: (what) => {
      if (what.startsWith("Redis did not come back")) isBack = redis.start();
    },
  });
  await service.wasAsked();
  await isBack;
  service.letGo();
  expect(await reporting).toMatchObject({ run: run.id, engine: "inline", verdict: "done" });
  expect(service.timesAsked).toBe(1);

  const again = await app.startService();
  const request = { version: 1, flow: "stop", mode: "apply", hosts: ["here"] };
  await app.queue("runs").add("stop", request, { jobId: run.id });
  const { application: other } = await app.open();
  await other.startWorker();
  const late = async () => (await app.queue("runs").getJob(run.id))?.finishedOn;
  await waitUntil(async () => (await late()) !== undefined, "the late one to be dealt with");
  expect(again.timesAsked).toBe(0);
});
