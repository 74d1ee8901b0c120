import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { diff, snapshot } from "../support/listing.ts";
import { LittleApp } from "../support/little-app.ts";
import { waitUntil } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

const { server } = sharedRedis();
const littleApp = () => new LittleApp({ redisUrl: server().url });
const MINUTE = 60_000;

const intent = {
  version: 1,
  flow: "clean",
  mode: "apply",
  hosts: ["here"],
  force: false,
  keepRedis: false,
};
const task = {
  version: 1,
  run: "run-x",
  flow: "clean",
  mode: "apply",
  stage: 0,
  job: "clean-session-locks",
  host: "here",
  force: false,
  keepRedis: false,
};

/** What the worker of the host makes of a job that somebody else has put into one of its queues. */
async function submit(
  app: LittleApp,
  queueName: string,
  name: string,
  data: unknown,
  options: { timestamp?: number; attempts?: number; jobId?: string; deduplication?: { id: string } } = {},
): Promise<{ state: string; reason: string; attempts: number }> {
  const job = await app.queue(queueName).add(name, data, { attempts: 1, ...options });
  const queue = app.queue(queueName);
  const find = () => queue.getJob(job.id ?? "");
  await waitUntil(async () => (await find())?.finishedOn !== undefined, "the job to be dealt with");
  const ended = await find();
  return {
    state: (await ended?.getState()) ?? "",
    reason: ended?.failedReason ?? "",
    attempts: ended?.attemptsMade ?? 0,
  };
}

/** A live worker whose application must stay as it is. */
async function untouchedApp(): Promise<{ app: LittleApp; expectUntouched: () => Promise<void> }> {
  const app = littleApp();
  await app.writeOldKeys(2);
  const { application } = await app.open();
  await application.startWorker();
  const before = snapshot(app.root);
  return {
    app,
    expectUntouched: async () => {
      expect(diff(before, snapshot(app.root))).toEqual({ added: [], removed: [], changed: [] });
      expect(await app.redis.keys(`${app.name}:message:*`)).toHaveLength(2);
    },
  };
}

describe("a request that nobody took up", () => {
  test("within ten minutes is refused: the world it was meant for is gone", async () => {
    const { app, expectUntouched } = await untouchedApp();
    const ended = await submit(app, "runs", "clean", intent, {
      timestamp: Date.now() - 11 * MINUTE,
      attempts: 5,
    });
    expect(ended).toMatchObject({
      state: "failed",
      reason: "refused: requested 11m ago, and no worker was there to run it",
      attempts: 1,
    });
    await expectUntouched();
  });

  test("for nine minutes is still served", async () => {
    const app = littleApp();
    await (await app.open()).application.startWorker();
    const ended = await submit(app, "runs", "clean", intent, {
      timestamp: Date.now() - 9 * MINUTE,
      jobId: "run-x",
    });
    expect(ended.state).toBe("completed");
    expect(await (await app.open()).application.report("run-x")).toMatchObject({ verdict: "done" });
    expect(readdirSync(app.root)).not.toContain("stale.lock");
  });

  test("tells whoever asks why it ended, and is not in the way of the next", async () => {
    const app = littleApp();
    const { application } = await app.open();
    await application.startWorker();
    const old = {
      timestamp: Date.now() - 11 * MINUTE,
      jobId: "run-x",
      deduplication: { id: "clean apply on here" },
    };
    const { reason } = await submit(app, "runs", "clean", intent, old);
    expect(await (await application.client()).stateOf("run-x")).toEqual({ state: "broken", reason });
    const next = await application.start("clean");
    expect(next.attached).toBe(false);
    expect((await next.report()).verdict).toBe("done");
  });

  test("for longer than its run could last is not attached to, and not carried out beside the new one", async () => {
    const app = littleApp();
    const { application } = await app.open();
    const deduplication = { id: "clean apply on nowhere" };
    const timestamp = Date.now() - 60 * MINUTE;
    const { opts } = await app
      .queue("runs")
      .add(
        "clean",
        { ...intent, hosts: ["nowhere"] },
        { timestamp, jobId: "run-x", deduplication, delay: 61 * MINUTE },
      );
    expect(opts.timestamp).toBe(timestamp);
    const run = await application.start("clean", { hosts: ["nowhere"] });
    expect(run).toMatchObject({ attached: false, id: expect.not.stringContaining("run-x") });
    expect(await run.report()).toMatchObject({ verdict: "partial", unreachable: ["nowhere"] });
  });

  test("is too late for a single job as well, once its run cannot last any longer", async () => {
    const { app, expectUntouched } = await untouchedApp();
    const timestamp = Date.now() - 56 * MINUTE;
    expect((await submit(app, "host-here", task.job, task, { timestamp })).state).toBe("completed");
    await expectUntouched();
  });
});

describe("hostile data", () => {
  const proto = (data: object) =>
    JSON.parse(JSON.stringify(data).replace("{", '{"__proto__":{"force":true},'));

  test.each([
    ["an unknown key", "clean", { ...intent, patterns: ["**/*"] }, /Unrecognized key: "patterns"/],
    ["a path for a root", "clean", { ...intent, root: "/" }, /Unrecognized key: "root"/],
    ["a path for a host", "clean", { ...intent, hosts: ["../../etc"] }, /hosts\[0\]/],
    ["a job that is none of its own", "clean", { ...intent, jobs: ["rm -rf"] }, /jobs\[0\]/],
    ["a flow that is none", "clean", { ...intent, flow: "wipe" }, /flow/],
    ["a flow that objects inherit", "clean", { ...intent, flow: "constructor" }, /flow/],
    ["a prototype", "clean", proto(intent), /Unrecognized key: "__proto__"/],
    ["wrong types", "clean", { ...intent, force: "yes", hosts: "here" }, /force/],
    ["a length that is no number", "clean", { ...intent, hosts: { length: { toString: 1 } } }, /hosts/],
    ["a host of a million characters", "clean", { ...intent, hosts: ["h".repeat(1_000_000)] }, /hosts\[0\]/],
    ["a key of a million characters", "clean", { ...intent, ["k".repeat(1_000_000)]: 1 }, /Unrecognized key/],
    ["nothing", "clean", null, /expected object/],
    ["a list", "clean", [intent], /expected object/],
    ["a job that is no run", "mischief", { ...intent, flow: "clean" }, /refused: /],
    ["a deadline with a path", "deadline", { run: "run-x", stage: 0, path: "/" }, /Unrecognized key: "path"/],
    ["a deadline of no stage", "deadline", { run: "run-x", stage: -1 }, /stage/],
    [
      "another host's task",
      task.job,
      { ...task, host: "there" },
      /a job for there was put into the queue of here/,
    ],
  ])("among the runs, %s, is refused once and for all", async (_what, name, data, reason) => {
    const { app, expectUntouched } = await untouchedApp();
    const ended = await submit(app, "runs", name, data, { attempts: 5 });
    expect(ended).toMatchObject({ state: "failed", attempts: 1, reason: expect.stringMatching(reason) });
    expect(ended.reason.length).toBeLessThan(1_000);
    await expectUntouched();
  });

  test.each([
    ["an unknown key", { ...task, files: ["/etc/passwd"] }, /Unrecognized key: "files"/],
    ["another host's name", { ...task, host: "there" }, /a job for there was put into the queue of here/],
    ["a path for a host", { ...task, host: "../here" }, /host/],
    ["a path for a run", { ...task, run: "run-x/../../y" }, /run/],
    ["a run that names another key", { ...task, run: "run-x:lock" }, /run/],
    ["a job that is none", { ...task, job: "../../bin/sh" }, /job/],
    ["a job that objects inherit", { ...task, job: "__proto__" }, /job/],
    ["wrong types", { ...task, stage: "0", force: 1 }, /stage/],
    ["a prototype", proto(task), /Unrecognized key: "__proto__"/],
    ["a run", intent, /refused: /],
  ])("among the jobs of a host, %s, is refused once and for all", async (_what, data, reason) => {
    const { app, expectUntouched } = await untouchedApp();
    const ended = await submit(app, "host-here", "clean-session-locks", data, { attempts: 5 });
    expect(ended).toMatchObject({ state: "failed", attempts: 1, reason: expect.stringMatching(reason) });
    await expectUntouched();
  });

  test("does not stop the worker from doing what is asked properly", async () => {
    const { app } = await untouchedApp();
    await submit(app, "runs", "clean", { ...intent, root: "/" });
    await submit(app, "host-here", "x", { rm: "-rf" });
    const { application } = await app.open();
    expect((await (await application.start("clean")).report()).verdict).toBe("done");
  });

  test("in a heartbeat is taken for no worker", async () => {
    const app = littleApp();
    const { application } = await app.open();
    await application.client();
    for (const [name, text] of [
      ["evil:1", "no json"],
      ["evil:2", '{"host":"evil"}'],
      ["evil:3", "[]"],
    ] as const) {
      await app.redis.zadd(app.key("workers"), Date.now(), name);
      await app.redis.set(app.key("worker", name), text);
    }
    expect(await application.workers()).toEqual([]);
    const report = await (await application.start("clean", { hosts: "all" })).report();
    expect(report).toMatchObject({ verdict: "done", hosts: ["here"] });
  });
});

test("the queue holds no path, no pattern and no command: only names and switches", async () => {
  const app = littleApp();
  const { application } = await app.open();
  const run = await application.start("shutdown", { force: true });
  await run.report();
  const queues = [app.queue("runs"), app.queue("host-here")];
  const found = await Promise.all(queues.map((queue) => queue.getJobs(["completed", "failed"])));
  const data = found.flat().map((job) => job.data);
  expect(data).toHaveLength(6);
  const values = data.flatMap((one) => Object.values(one)).flat();
  for (const value of values) {
    if (typeof value === "string") expect(value).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
    else expect(["boolean", "number"]).toContain(typeof value);
  }
  expect(JSON.stringify(data)).not.toContain(join(app.root));
});
