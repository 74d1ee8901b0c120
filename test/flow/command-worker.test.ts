import { describe, expect, test } from "vitest";
import { LittleApp } from "../support/little-app.ts";
import { waitUntil } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

const { server } = sharedRedis();
const littleApp = (config = {}) => new LittleApp({ redisUrl: server().url, config });

describe("when no worker is alive", () => {
  test("the command is one, for as long as its run takes", async () => {
    const app = littleApp();
    const { application } = await app.open();
    expect(await application.workers()).toEqual([]);

    const run = await application.start("clean");
    expect(await application.workers()).toMatchObject([
      { host: "here", pid: process.pid, root: app.root, isCommand: true },
    ]);
    expect((await run.report()).verdict).toBe("done");

    await application.close();
    expect(await application.workers()).toEqual([]);
  });

  test("one that works for a command stays when a worker is asked for: others count on it, and it ticks", async () => {
    const app = littleApp({ schedule: [{ name: "tidy", run: "clean", cron: "0 0 29 2 *" }] });
    const { application } = await app.open();
    await (await application.start("clean")).report();
    expect(await app.redis.exists(app.key("slots"))).toBe(0);
    await Promise.all([application.startWorker(), application.startWorker()]);
    expect(await application.workers()).toMatchObject([{ pid: process.pid, isCommand: false }]);
    expect(await app.redis.zrange(app.key("slots"), "0", "-1")).toEqual(["tidy"]);
    const { application: other } = await app.open();
    expect(await (await other.start("clean", { detach: true })).report()).toMatchObject({ verdict: "done" });
  });

  test("so is the built program, which leaves nothing behind", async () => {
    const app = littleApp();
    const { result } = app.startCli(["clean", "--yes", "--json", "--host", "here"]);
    expect(await result).toMatchObject({ code: 0 });
    expect((await result).json()).toMatchObject({ engine: "queue", verdict: "done" });
    expect(await app.redis.exists(app.key("workers"))).toBe(0);
  });

  test("a detached run is refused, and nothing is queued", async () => {
    const app = littleApp();
    const { application } = await app.open();
    await expect(application.start("clean", { detach: true })).rejects.toMatchObject({
      code: "refused",
      message: "--detach needs a live worker here: start `safe-shutdown worker`",
    });
    expect(await app.redis.keys(app.key("*run-*"))).toEqual([]);
  });

  test("a worker of another host does not count", async () => {
    const app = littleApp();
    const { application: there } = await app.open({ host: "there" });
    await there.startWorker();
    const { application } = await app.open();
    await expect(application.start("clean", { detach: true })).rejects.toMatchObject({ code: "refused" });
    expect(await (await application.start("clean")).report()).toMatchObject({
      verdict: "done",
      hosts: ["here"],
    });
  });
});

describe("with a live worker", () => {
  test("the command leaves the work to it, and a detached run returns at once", async () => {
    const app = littleApp();
    const service = await app.startService();
    const worker = await app.startWorker();
    const { application, said } = await app.open();

    const run = await application.start("shutdown", { detach: true });
    await service.wasAsked();

    expect(await application.workers()).toMatchObject([{ host: "here", pid: worker.pid, isCommand: false }]);
    service.letGo();
    const report = await run.report();
    expect(report).toMatchObject({ verdict: "done", engine: "queue" });
    expect(said).toEqual([]);
    expect((await application.workers()).map(({ pid }) => pid)).toEqual([worker.pid]);
    expect(worker.child.exitCode).toBeNull();
  });

  test("that looks after another directory, everything is refused: it would stop the wrong application", async () => {
    const app = littleApp();
    const copy = new LittleApp({ redisUrl: server().url, name: app.name });
    const { application: theirs } = await copy.open();
    await theirs.startWorker();
    const { application } = await app.open();

    const refused = {
      code: "refused",
      message: expect.stringContaining(`looks after ${copy.root}, not ${app.root}`),
    };
    await expect(application.start("clean")).rejects.toMatchObject(refused);
    await expect(application.start("clean", { detach: true })).rejects.toMatchObject(refused);
    expect(await app.redis.keys(app.key("*run-*"))).toEqual([]);
    const inline = await application.start("clean", { inline: true, mode: "plan" });
    expect((await inline.report()).verdict).toBe("done");
  });

  test("that has another config, the operator is warned", async () => {
    const app = littleApp();
    const { application: theirs } = await app.open();
    await theirs.startWorker();
    app.configure({ workerGrace: "6s" });
    const { application, said } = await app.open();

    expect((await (await application.start("clean")).report()).verdict).toBe("done");
    expect(said).toEqual(["the live worker has another config than this command: its own counts"]);
  });
});

test("whoever follows a run becomes the worker when the worker dies in the middle of it", async () => {
  const app = littleApp();
  const service = await app.startService();
  const worker = await app.startWorker();
  const { application } = await app.open();
  const run = await application.start("shutdown");
  const reporting = run.report();
  await service.wasAsked();

  worker.signal("SIGKILL");
  await worker.result;
  app.forgetAsked();
  await app.forget(worker);
  await waitUntil(
    async () => (await application.workers()).some(({ pid }) => pid === process.pid),
    "the follower to become the worker",
  );
  await app.expireLocks("host-here");
  await service.wasAsked(2);
  service.letGo();

  const report = await reporting;
  expect(report).toMatchObject({ verdict: "done", unreachable: [] });
  expect(report.jobs.map(({ job, status }) => `${job} ${status}`)).toEqual([
    "stop-services done",
    "clean-session-locks done",
    "prune-redis done",
    "clean-temp-files done",
    "check-system done",
  ]);
  expect(await application.workers()).toMatchObject([{ isCommand: true }]);
});
