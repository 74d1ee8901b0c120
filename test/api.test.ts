import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { createSandbox } from "../demo/sandbox.ts";
import * as api from "../src/index.ts";
import { connect, follow, SafeShutdownError } from "../src/index.ts";
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
    "exitCodeOf",
    "exitCodeOfRun",
    "follow",
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
    "Item",
    "JobName",
    "JobReport",
    "JobStatus",
    "Log",
    "Mode",
    "Outcome",
    "Problem",
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
    "exitCodeOf",
    "exitCodeOfRun",
    "follow",
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
