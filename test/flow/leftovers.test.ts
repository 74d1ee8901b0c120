import { describe, expect, test } from "vitest";
import { LittleApp } from "../support/little-app.ts";
import { sharedRedis } from "../support/redis.ts";

const { server, client } = sharedRedis();
const littleApp = () => new LittleApp({ redisUrl: server().url });

describe("what runs leave in Redis", () => {
  test("has the application's prefix, expires or is bounded, and holds no lock, deadline or heartbeat", async () => {
    const app = littleApp();
    const worker = await app.startWorker();
    const { application } = await app.open();
    const run = await application.start("shutdown");
    await run.report();
    const plan = await application.start("clean", { mode: "plan", hosts: ["here", "nowhere"] });
    await plan.report();
    worker.signal("SIGTERM");
    await worker.result;
    await application.close();

    const keys = (await client().keys("*")).map((key) => {
      expect(key.startsWith(`${app.prefix}:`)).toBe(true);
      return key
        .slice(app.prefix.length + 1)
        .replace(run.id, "RUN")
        .replace(plan.id, "PLAN");
    });
    const queue = (name: string, ...ids: string[]) =>
      ["completed", "events", "meta", ...ids].map((key) => `${name}:${key}`);
    const stages = [
      "RUN.0.stop-services",
      "RUN.1.clean-session-locks",
      "RUN.1.clean-temp-files",
      "RUN.2.check-system",
    ];
    const planned = ["PLAN.0.clean-session-locks", "PLAN.0.clean-temp-files"];
    const expected = [
      ...queue("host-here", ...[...stages, ...planned].map((id) => `${id}.here`)),
      ...queue(
        "runs",
        "RUN",
        "PLAN",
        "RUN:processed",
        "PLAN:processed",
        "RUN.1.prune-redis",
        "PLAN.0.prune-redis",
      ),
      ...["report:RUN", "report:PLAN", "history:shutdown", "history:clean", "given-up:PLAN"],
    ];
    const passing = /^(runs|host-here):(stalled-check|marker|id)$/;
    expect(keys.filter((key) => !passing.test(key)).toSorted()).toEqual(expected.toSorted());

    for (const name of ["report", "given-up"]) {
      for (const key of await client().keys(app.key(name, "*")))
        expect(await client().pttl(key)).toBeGreaterThan(0);
    }
    expect(await app.queue("runs").getJobCounts("active", "waiting", "delayed", "waiting-children")).toEqual({
      active: 0,
      waiting: 0,
      delayed: 0,
      "waiting-children": 0,
    });
  });

  test("does not grow with runs beyond what is kept", async () => {
    const app = littleApp();
    const { application } = await app.open();
    for (let n = 0; n < 5; n++) await (await application.start("clean")).report();
    const { completed } = await app.queue("runs").getJobCounts("completed");
    expect(completed).toBe(10);
    const runs = await app.redis.keys(app.key("runs", "run-*"));
    const kept = new Set(runs.map((key) => key.slice(app.key("runs", "").length).split(/[.:]/)[0]));
    expect(kept.size).toBe(5);
    expect(await app.redis.keys(app.key("runs", "*", "lock"))).toEqual([]);
    expect(await app.redis.keys(app.key("runs", "de:*"))).toEqual([]);
    expect(await app.redis.xlen(app.key("runs", "events"))).toBeLessThan(2_000);
  });
});

test("two applications on one Redis do not meet", async () => {
  const [one, two] = [littleApp(), littleApp()];
  const service = await one.startService();
  const { application: first } = await one.open();
  const { application: second } = await two.open();
  const run = await first.start("stop");
  await service.wasAsked();

  const other = await second.start("stop");
  expect(other).toMatchObject({ attached: false });
  expect((await other.report()).verdict).toBe("done");
  expect((await second.workers()).map(({ root }) => root)).toEqual([two.root]);
  expect((await first.workers()).map(({ root }) => root)).toEqual([one.root]);
  expect(await second.report(run.id)).toBeUndefined();
  await expect(second.cancel(run.id)).rejects.toMatchObject({ code: "usage" });
  expect((await second.runs()).map(({ run }) => run)).toEqual([other.id]);

  service.letGo();
  expect((await run.report()).verdict).toBe("done");
  expect((await first.runs()).map(({ run }) => run)).toEqual([run.id]);
});

test("one application name in two roots on two hosts is one fleet, and each cleans its own root", async () => {
  const app = littleApp();
  const there = new LittleApp({ redisUrl: server().url, name: app.name });
  await (await there.open({ host: "there" })).application.startWorker();
  const { application } = await app.open();
  const report = await (await application.start("clean", { hosts: ["there"] })).report();
  const onThere = report.jobs.filter(({ host, job }) => host === "there" && job !== "prune-redis"); // that runs anywhere
  expect(onThere.map(({ totals }) => totals.done)).toEqual([1, 1]);
  expect(await app.redis.keys(app.key("host-here", "run-*"))).toEqual([]);
});
