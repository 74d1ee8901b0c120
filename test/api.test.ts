import { execFile } from "node:child_process";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { createSandbox } from "../demo/sandbox.ts";
import * as api from "../src/index.ts";
import { connect, follow, requestOf, SafeShutdownError } from "../src/index.ts";
import { diff, snapshot } from "./support/listing.ts";
import { LittleApp } from "./support/little-app.ts";
import { isAlive } from "./support/processes.ts";
import { sharedRedis } from "./support/redis.ts";
import { temporaryDirectory } from "./support/temp.ts";

const { server } = sharedRedis();
const PROJECT = fileURLToPath(new URL("..", import.meta.url));

test("the public API is this and no more", () => {
  expect(Object.keys(api).toSorted()).toEqual([
    "SafeShutdownError",
    "connect",
    "defineJob",
    "exitCodeOf",
    "exitCodeOfRun",
    "follow",
    "requestOf",
  ]);
  const source = readFileSync(new URL("../src/index.ts", import.meta.url), "utf8");
  const exported = [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)]
    .flatMap(([, names = ""]) => names.split(","))
    .map((name) => name.trim().replace(/^type /, ""))
    .filter((name) => name !== "");
  expect([...exported, "connect", "ConnectOptions"].toSorted()).toEqual([
    "Application",
    "Config",
    "ConnectOptions",
    "ErrorCode",
    "FlowName",
    "FollowOptions",
    "GoingRun",
    "Item",
    "Job",
    "JobContext",
    "JobDefinition",
    "JobName",
    "JobReport",
    "JobStatus",
    "KnownHost",
    "Log",
    "Mode",
    "Outcome",
    "Problem",
    "QueuedRequest",
    "RequestOptions",
    "Run",
    "RunEvent",
    "RunReport",
    "RunSummary",
    "RunView",
    "SafeShutdownError",
    "ScheduleState",
    "StartOptions",
    "System",
    "TaskView",
    "Totals",
    "Verdict",
    "WorkerInfo",
    "connect",
    "defineJob",
    "exitCodeOf",
    "exitCodeOfRun",
    "follow",
    "requestOf",
  ]);
});

test("connecting, running, following and closing works with nothing but a root", async () => {
  const app = new LittleApp({ redisUrl: server().url });
  const application = await connect({ root: app.root, host: "here" });
  onTestFinished(() => application.close());
  expect(application.config).toMatchObject({ app: app.name, host: "here", root: app.root });

  const run = await application.start("clean");
  const types: string[] = [];
  for await (const event of follow(run)) {
    types.push(event.type);
    if (event.type === "report") expect(event.report).toEqual(await application.report(run.id));
  }
  expect(types.at(-1)).toBe("report");
  expect(types.filter((type) => type === "report")).toHaveLength(1);
  await application.close();
  await application.close();
});

test("connecting throws one kind of error, with all that is wrong", async () => {
  const app = new LittleApp({ redisUrl: server().url, config: { services: 5, tempp: [] } });
  const failure = await connect({ root: app.root, host: "no host" }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(SafeShutdownError);
  expect(failure).toMatchObject({ code: "config-invalid" });
  expect((failure as SafeShutdownError).problems).toHaveLength(3);
  await expect(connect({ root: "/" })).rejects.toMatchObject({ code: "refused" });
  await expect(connect({ root: `${app.root}/nowhere` })).rejects.toMatchObject({ code: "refused" });
});

test("what a run moved to quarantine is put back from code, as from the command line", async () => {
  const temp = [{ files: "logs/*.log.*", olderThan: "7d", quarantine: "7d" }];
  const app = new LittleApp({ redisUrl: server().url, config: { temp } });
  const application = await connect({ root: app.root, host: "here" });
  onTestFinished(() => application.close());
  const run = await application.start("clean", { inline: true });
  await run.report();
  const file = join(app.root, "logs/app.log.1");
  expect(existsSync(file)).toBe(false);

  const plan = await application.restore(run.id, { mode: "plan", paths: ["logs"] });
  expect(plan.jobs).toMatchObject([{ job: "restore", totals: { planned: 1 } }]);
  expect(existsSync(file)).toBe(false);
  expect(await application.restore(run.id)).toMatchObject({ flow: "restore", mode: "apply" });
  expect(existsSync(file)).toBe(true);
  await expect(application.restore("run-none")).rejects.toMatchObject({ code: "usage" });
});

test("what is asked for is checked before anything happens", async () => {
  const app = new LittleApp({ redisUrl: server().url });
  const application = await connect({ root: app.root, host: "here" });
  onTestFinished(() => application.close());
  const wrong = (value: string) => value as never;
  const requests: Parameters<typeof application.start>[] = [
    [wrong("wipe")],
    ["clean", { jobs: [wrong("rm")] }],
    ["clean", { jobs: ["stop-services"] }],
    ["clean", { jobs: [] }],
    ["clean", { mode: wrong("destroy") }],
    ["clean", { force: wrong("yes") }],
    ["clean", { hosts: ["../etc"] }],
    ["clean", { hosts: [] }],
    ["clean", { inline: true, jobs: [wrong("rm")] }],
  ];
  for (const request of requests) {
    await expect(application.start(...request)).rejects.toMatchObject({
      name: "SafeShutdownError",
      code: "usage",
    });
  }
  expect(await app.redis.keys(app.key("*run-*"))).toEqual([]);
  expect(await application.workers()).toEqual([]);
});

test("the example shows the dry run, then does the shutdown, and its process ends", async () => {
  const sandbox = await createSandbox({
    directory: temporaryDirectory(),
    redisUrl: server().url,
    taskMs: 200,
  });
  onTestFinished(() => sandbox.dispose());
  const example = (...words: string[]) =>
    promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "examples/shutdown-from-code.ts", sandbox.root, ...words],
      { cwd: PROJECT, env: { ...process.env, SAFE_SHUTDOWN_REDIS_URL: server().url }, timeout: 25_000 },
    );
  const before = snapshot(sandbox.root);
  const growing = sandbox.files.growing.map((path) => `${path}:`);

  const plan = await example();
  expect(plan).toMatchObject({ stderr: "" });
  expect(plan.stdout).toMatch(
    /^telegram-ai-scraper: plan done \(queue, run-\S+\)\n {2}stop-services: done, \d+ planned\n/,
  );
  const { added, removed, changed } = diff(before, snapshot(sandbox.root));
  expect([
    ...added,
    ...removed,
    ...changed.filter((what) => !growing.some((path) => what.startsWith(path))),
  ]).toEqual([]);
  expect(sandbox.services.every(({ pid }) => isAlive(pid))).toBe(true);

  const apply = await example("--apply");
  expect(apply.stdout).toMatch(/^telegram-ai-scraper: apply done \(queue, run-\S+\)/);
  expect(sandbox.services.filter(({ pid }) => isAlive(pid))).toEqual([]);
  const left = snapshot(sandbox.root);
  expect(sandbox.files.removed.filter((path) => left.has(path))).toEqual([]);
  for (const path of sandbox.files.kept) expect(left.get(path)?.sha256, path).toBe(before.get(path)?.sha256);
});

test("the example that follows a run tells its events, and cancels it when it takes too long", async () => {
  const app = new LittleApp({ redisUrl: server().url });
  const example = (seconds: string, { root } = app) =>
    promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "examples/follow-and-cancel.ts", root, seconds],
      { cwd: PROJECT, timeout: 25_000 },
    );
  const { stdout } = await example("20");
  expect(stdout).toMatch(/^stage 0: clean-session-locks, prune-redis, clean-temp-files$/m);
  expect(stdout).toMatch(/^clean-session-locks: ended$/m);
  expect(stdout).toMatch(/^clean-session-locks: 1 done, 0 kept$/m);
  expect(stdout).toMatch(/^run-\S+: done$/m);

  const withoutRedis = new LittleApp({ redisUrl: "redis://127.0.0.1:1/0" });
  for (const hurried of [await example("0.001"), await example("0.001", withoutRedis)]) {
    expect(hurried.stdout).toMatch(
      /^run-\S+ is still going on after 1ms; .*\nrun-\S+: cancelled, (partial|done)$/m,
    );
  }
});

test("the example for BullMQ asks for a dry run with nothing but Redis, and hears how it ended", async () => {
  const app = new LittleApp({ redisUrl: server().url });
  for (const host of ["web", "db"]) {
    const other = new LittleApp({ redisUrl: server().url, name: app.name });
    const application = await connect({ root: other.root, host });
    onTestFinished(() => application.close());
    await application.startWorker();
  }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "examples/submit-from-bullmq.ts", server().url, app.name],
    { cwd: PROJECT, timeout: 25_000 },
  );
  const [, run = ""] =
    /^asked for (run-\S+)\n\1: done; safe-shutdown runs \1 shows its report\n$/.exec(stdout) ?? [];
  const application = await connect({ root: app.root, host: "here" });
  onTestFinished(() => application.close());
  expect(await application.report(run)).toMatchObject({
    mode: "plan",
    hosts: ["db", "web"],
    verdict: "done",
  });
});

test("the example of an own job does its part of a shutdown", async () => {
  const jobs = [{ module: "own-job.mjs", flows: ["shutdown", "stop"], before: "stop-services" }];
  const app = new LittleApp({ redisUrl: server().url, config: { jobs } });
  copyFileSync(`${PROJECT}/examples/own-job.mjs`, `${app.root}/own-job.mjs`);
  const application = await connect({ root: app.root, host: "here" });
  onTestFinished(() => application.close());
  const {
    verdict,
    jobs: [first],
  } = await (await application.start("stop")).report();
  expect(verdict).toBe("done");
  expect(first).toMatchObject({ job: "send-nobody-any-more", totals: { done: 1 } });
  expect(readFileSync(`${app.root}/maintenance.flag`, "utf8")).toBe("on\n");
});

test("a request is checked before it is queued, and the worker checks it again", () => {
  const asked = requestOf({ app: "scraper", flow: "clean", hosts: "all", jobs: ["prune-redis"] });
  expect(asked).toMatchObject({
    ...{ queue: "runs", prefix: "{safe-shutdown-scraper}", name: "clean" },
    data: { version: 1, mode: "apply", hosts: "all", force: false, keepRedis: false },
    options: {
      jobId: expect.stringMatching(/^run-/),
      deduplication: { id: "clean apply prune-redis on all hosts" },
    },
  });
  for (const wrong of [{ hosts: [] }, { hosts: ["../etc"] }, { flow: "wipe" as never }, { jobs: [] }]) {
    const bad = { app: "scraper", flow: "clean", hosts: "all", ...wrong } as const;
    expect(() => requestOf(bad)).toThrow(expect.objectContaining({ code: "usage" }));
  }
});
