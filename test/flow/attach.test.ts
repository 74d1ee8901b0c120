import { describe, expect, test } from "vitest";
import type { RunReport, StartOptions } from "../../src/index.ts";
import { LittleApp } from "../support/little-app.ts";
import { sharedRedis } from "../support/redis.ts";

const { server } = sharedRedis();
const littleApp = () => new LittleApp({ redisUrl: server().url });
const idsIn = (app: LittleApp, flow: string) => app.redis.zrange(app.key("history", flow), "0", "-1");

describe("a run that is going on", () => {
  test("is joined by a second request of the same kind, which gets the same report", async () => {
    const app = littleApp();
    const service = await app.startService();
    const { application } = await app.open();
    const { application: other } = await app.open();

    const first = await application.start("stop");
    await service.wasAsked();
    const second = await other.start("stop");
    const third = await application.start("stop", { hosts: ["here"], mode: "apply", force: false });
    service.letGo();

    expect(first.attached).toBe(false);
    expect([second, third]).toMatchObject([
      { id: first.id, attached: true, engine: "queue" },
      { id: first.id, attached: true },
    ]);
    const reports = await Promise.all([first, second, third].map((run) => run.report()));
    expect(reports[1]).toEqual(reports[0]);
    expect(reports[2]).toEqual(reports[0]);
    expect(service.timesAsked).toBe(1);
    expect(await idsIn(app, "stop")).toEqual([first.id]);
  });

  test("is not joined by a request of another kind", async () => {
    const app = littleApp();
    const service = await app.startService();
    const { application } = await app.open();
    const first = await application.start("stop");
    await service.wasAsked();

    const others: [Parameters<typeof application.start>[0], StartOptions][] = [
      ["stop", { mode: "plan" }],
      ["clean", {}],
      ["clean", { jobs: ["clean-temp-files"] }],
      ["clean", { keepRedis: true }],
    ];
    const runs = await Promise.all(others.map(([flow, options]) => application.start(flow, options)));
    expect(runs.map(({ attached }) => attached)).toEqual([false, false, false, false]);
    expect(new Set([first, ...runs].map(({ id }) => id)).size).toBe(5);
    const verdicts = await Promise.all(runs.map(async (run) => (await run.report()).verdict));
    expect(verdicts).toEqual(["done", "done", "done", "done"]);

    service.letGo();
    expect((await first.report()).verdict).toBe("done");
  });

  test("is no longer joined once it has ended, however soon the next request comes", async () => {
    const app = littleApp();
    const { application } = await app.open();
    const ids = new Set<string>();
    for (let n = 0; n < 10; n++) {
      const run = await application.start("clean", { jobs: ["clean-session-locks"] });
      expect(run.attached).toBe(false);
      await run.report();
      ids.add(run.id);
    }
    expect(ids.size).toBe(10);
    expect(await idsIn(app, "clean")).toHaveLength(10);
  });

  test("is not joined by one without the queue", async () => {
    const app = littleApp();
    const service = await app.startService();
    const { application } = await app.open();
    const queued = await application.start("stop");
    await service.wasAsked();
    const inline = await application.start("stop", { inline: true, mode: "plan" });
    expect(inline).toMatchObject({ attached: false, engine: "inline" });
    expect((await inline.report()).verdict).toBe("done");
    service.letGo();
    await queued.report();
  });
});

test("ten simultaneous starts make one run, and ten identical reports", async () => {
  const app = littleApp();
  const service = await app.startService();
  const opened = await Promise.all(Array.from({ length: 10 }, () => app.open()));

  const runs = await Promise.all(opened.map(({ application }) => application.start("shutdown")));
  await service.wasAsked();
  service.letGo();
  const reports = await Promise.all(runs.map((run) => run.report()));

  expect(new Set(runs.map(({ id }) => id)).size).toBe(1);
  expect(runs.filter(({ attached }) => !attached)).toHaveLength(1);
  expect(new Set(reports.map((report) => JSON.stringify(report))).size).toBe(1);
  expect(reports[0]?.verdict).toBe("done");
  expect(service.timesAsked).toBe(1);
});

test("so do five processes, and each ends with the exit code of the run", async () => {
  const app = littleApp();
  const service = await app.startService();

  const commands = Array.from({ length: 5 }, () =>
    app.startCli(["stop", "--yes", "--json", "--host", "here"]),
  );
  await service.wasAsked();
  // the service holds the run up until all have asked; one of them started it
  const followed = commands.map(({ stderr }) => stderr.waitFor(/is going on already: following it/, 20_000));
  const isStarter = followed.map((promise) => promise.then(() => false).catch(() => true));
  await Promise.all(commands.map(({ stderr }) => stderr.waitFor(/stop-services: running/, 20_000)));
  service.letGo();
  const results = await Promise.all(commands.map(({ result }) => result));

  expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
  expect((await Promise.all(isStarter)).filter(Boolean)).toHaveLength(1);
  expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
  const report = results[0]?.json() as RunReport;
  expect(report).toMatchObject({ flow: "stop", engine: "queue", verdict: "done" });
  expect(await idsIn(app, "stop")).toEqual([report.run]);
  expect(service.timesAsked).toBe(1);
});
