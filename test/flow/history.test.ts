import { describe, expect, test } from "vitest";
import { saveReport } from "../../src/flow/history.ts";
import { Queues } from "../../src/flow/queues.ts";
import type { RunReport } from "../../src/index.ts";
import { LittleApp } from "../support/little-app.ts";
import { sharedRedis } from "../support/redis.ts";

const { server } = sharedRedis();
const DAY = 86_400_000;

const reportOf = (run: string, startedAtMs: number, over: Partial<RunReport> = {}): RunReport => ({
  version: 1,
  run,
  flow: "clean",
  mode: "apply",
  engine: "queue",
  app: "app",
  verdict: "done",
  startedAt: new Date(startedAtMs).toISOString(),
  durationMs: 5,
  hosts: ["here"],
  unreachable: [],
  jobs: [],
  system: null,
  nextSteps: [],
  ...over,
});

async function history() {
  const app = new LittleApp({ redisUrl: server().url });
  const { application } = await app.open();
  const queues = (await application.client()).queues;
  expect(queues).toBeInstanceOf(Queues);
  return { app, application, save: (report: RunReport) => saveReport(queues, report) };
}

describe("the history of runs", () => {
  test("keeps the newest 200 of each flow, and lists all flows newest first", async () => {
    const { app, application, save } = await history();
    const nowMs = Date.now();
    for (let n = 0; n < 205; n++) await save(reportOf(`run-c${n}`, nowMs - n * 1_000));
    for (let n = 0; n < 3; n++) await save(reportOf(`run-s${n}`, nowMs - n * 1_000 - 500, { flow: "stop" }));

    expect(await app.redis.keys(app.key("report", "*"))).toHaveLength(203);
    expect(await app.redis.zcard(app.key("history", "clean"))).toBe(200);
    expect((await application.runs(5)).map(({ run }) => run)).toEqual([
      "run-c0",
      "run-s0",
      "run-c1",
      "run-s1",
      "run-c2",
    ]);
    expect(await application.runs()).toHaveLength(20);
    const all = (await application.runs(1_000)).map(({ startedAt }) => startedAt);
    expect(all).toHaveLength(203);
    expect(all).toEqual(all.toSorted().toReversed());
    expect(await application.report("run-c199")).toBeDefined();
    expect(await application.report("run-c200")).toBeUndefined();
    expect(await application.report("run-s2")).toBeDefined();
  });

  test("forgets what is older than 30 days: the list at the next run, the report by itself", async () => {
    const { app, application, save } = await history();
    const nowMs = Date.now();
    await save(reportOf("run-old", nowMs - 30 * DAY - 1_000));
    await save(reportOf("run-young", nowMs - 30 * DAY + 60_000));
    await save(reportOf("run-new", nowMs));
    expect(await app.redis.zrange(app.key("history", "clean"), "0", "-1")).toEqual(["run-young", "run-new"]);
    const ttlMs = await app.redis.pttl(app.key("report", "run-new"));
    expect(ttlMs).toBeGreaterThan(30 * DAY - 60_000);
    expect(ttlMs).toBeLessThanOrEqual(30 * DAY);
    await app.redis.pexpire(app.key("report", "run-new"), 0);
    expect((await application.runs()).map(({ run }) => run)).toEqual(["run-young"]);
  });

  test("says of a run whose report was dropped that it is no longer kept", async () => {
    const { app, application } = await history();
    const run = await application.start("clean");
    await run.report();
    await app.redis.del(app.key("report", run.id));
    await expect(run.report()).rejects.toMatchObject({
      code: "unexpected",
      message: `${run.id} has no report: it is no longer kept (30d, and the newest 200 of each flow)`,
    });
  });

  test("keeps the first report of a run, whoever saves a second", async () => {
    const { application, save } = await history();
    const first = reportOf("run-x", Date.now());
    expect(await save(first)).toEqual(first);
    expect(await save({ ...first, verdict: "failed", durationMs: 99 })).toEqual(first);
    expect(await application.report("run-x")).toEqual(first);
    expect(await application.runs()).toEqual([
      {
        run: "run-x",
        flow: "clean",
        mode: "apply",
        engine: "queue",
        verdict: "done",
        startedAt: first.startedAt,
        durationMs: 5,
        hosts: ["here"],
      },
    ]);
  });

  test("is empty for an application that never ran", async () => {
    const { application } = await history();
    expect(await application.runs()).toEqual([]);
    expect(await application.report("run-x")).toBeUndefined();
  });
});
