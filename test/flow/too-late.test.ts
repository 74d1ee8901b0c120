import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Intent } from "../../src/flow/intent.ts";
import { systemClock } from "../../src/system/clock.ts";
import { diff, snapshot } from "../support/listing.ts";
import { LittleApp } from "../support/little-app.ts";
import { waitUntil } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

/* A run is judged by the time it was asked for, wherever something of it is begun. */

const { server } = sharedRedis();
const littleApp = (config: object = {}) => new LittleApp({ redisUrl: server().url, config: { ...config } });
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const shutdown: Intent = {
  ...{ version: 1, flow: "shutdown", mode: "apply", hosts: ["here"] },
  ...{ force: false, keepRedis: false },
};

/** A run in the queue as if it had been asked for before, and perhaps been taken up by a worker that is no more. */
async function leave(app: LittleApp, ageMs: number, { hasBegun }: { hasBegun: boolean }): Promise<void> {
  const timestamp = Date.now() - ageMs;
  const deduplication = { id: "shutdown apply on here" };
  await app.queue("runs").add("shutdown", shutdown, { timestamp, jobId: "run-old", deduplication });
  if (hasBegun) await app.redis.hset(app.key("runs", "run-old"), "ats", 1);
}

describe("a run that was taken up, and whose worker was cut off", () => {
  test("is not carried out hours later: its report says since when it is too late", async () => {
    const app = littleApp();
    const service = await app.startService();
    await leave(app, 8 * HOUR, { hasBegun: true });
    const before = snapshot(app.root);
    const { application } = await app.open();
    await application.startWorker();
    const report = await (await application.attach("run-old")).report();
    expect(report.verdict).toBe("failed");
    for (const { status, reason } of report.jobs)
      expect({ status, reason }).toEqual({ status: "failed", reason: "it was asked for 8h ago: too late" });
    expect(service.timesAsked).toBe(0);
    expect(await app.redis.keys(app.key("host-here", "run-*"))).toEqual([]);
    expect(diff(before, snapshot(app.root))).toEqual({ added: [], removed: [], changed: [] });
  });

  test("is carried out while its stages have time", async () => {
    const app = littleApp();
    await leave(app, 50 * MINUTE, { hasBegun: true });
    const { application } = await app.open();
    await application.startWorker();
    expect((await (await application.attach("run-old")).report()).verdict).toBe("done");
  });
});

test("of a run that is held up for hours, no further stage is begun", async () => {
  const app = littleApp();
  const service = await app.startService();
  let laterMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + laterMs };
  const { application } = await app.open({ clock });
  const reporting = (await application.start("shutdown")).report();
  await service.wasAsked();
  laterMs = 8 * HOUR;
  service.letGo();
  const { jobs } = await reporting;
  expect(jobs.map(({ job, status, reason }) => [job, status, reason])).toEqual([
    ["stop-services", "done", undefined],
    ...["clean-session-locks", "prune-redis", "clean-temp-files", "check-system"].map((job) => [
      job,
      "failed",
      "it was asked for 8h ago: too late",
    ]),
  ]);
});

test("the jobs of a run have its time in their queues", async () => {
  const app = littleApp();
  await leave(app, 9 * MINUTE, { hasBegun: false });
  const { application } = await app.open();
  await application.startWorker();
  expect((await (await application.attach("run-old")).report()).verdict).toBe("done");
  const parent = await app.queue("runs").getJob("run-old");
  const child = await app.queue("host-here").getJob("run-old.0.stop-services.here");
  expect(child?.timestamp).toBe(parent?.timestamp);
});

test("a run that was asked for at a time that is none is refused", async () => {
  const app = littleApp();
  await leave(app, MINUTE, { hasBegun: false });
  await app.redis.hset(app.key("runs", "run-old"), "timestamp", "yesterday");
  const { application } = await app.open();
  await application.startWorker();
  await expect((await application.attach("run-old")).report()).rejects.toMatchObject({
    code: "refused",
    message: expect.stringMatching(/it was asked for at a time that is none$/),
  });
});

describe("a request of the same kind", () => {
  const submit = async (app: LittleApp) =>
    (await (await app.open()).application.client()).submit("run-new", shutdown);
  const joined = { run: "run-old", attached: true };

  test("is not attached to a run that nobody took up in time: that will be refused", async () => {
    const app = littleApp();
    await leave(app, 12 * MINUTE, { hasBegun: false });
    const { run, attached } = await submit(app);
    expect(attached).toBe(false);
    const { application } = await app.open();
    await application.startWorker();
    expect((await (await application.attach(run)).report()).verdict).toBe("done");
    const old = await app.queue("runs").getJob("run-old");
    await waitUntil(async () => (await old?.getState()) === "failed", "the old one to be refused");
  });

  test.each([
    { what: "a run that somebody may still take up", ageMs: 9 * MINUTE, hasBegun: false },
    { what: "a run that was taken up in time", ageMs: 50 * MINUTE, hasBegun: true },
  ])("is attached to $what", async ({ ageMs, hasBegun }) => {
    const app = littleApp();
    await leave(app, ageMs, { hasBegun });
    expect(await submit(app)).toEqual(joined);
  });

  test("is attached for longer to a run that has more stages, of the application's own jobs", async () => {
    const jobs = ["first", "last"].map((name) => ({ module: `own/${name}.mjs`, flows: ["shutdown"] }));
    const [first, last] = jobs;
    const app = littleApp({
      jobs: [
        { ...first, before: "stop-services" },
        { ...last, after: "check-system" },
      ],
    });
    mkdirSync(join(app.root, "own"));
    for (const name of ["first", "last"]) {
      const job = `{ name: "${name}", summary: "Nothing.", runsOn: "every host", async run() {} }`;
      writeFileSync(join(app.root, `own/${name}.mjs`), `export default ${job};`);
    }
    await leave(app, 60 * MINUTE, { hasBegun: true });
    expect(await submit(app)).toEqual(joined);

    const fewer = littleApp();
    await leave(fewer, 60 * MINUTE, { hasBegun: true });
    expect(await submit(fewer)).toMatchObject({ attached: false });
  });
});
