import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RunReport, RunView } from "../../src/index.ts";
import { diff, snapshot } from "../support/listing.ts";
import { LittleApp } from "../support/little-app.ts";
import { isAlive, waitUntil } from "../support/processes.ts";
import { sharedRedis, useRedis } from "../support/redis.ts";

const { server } = sharedRedis();
const NOBODY_LISTENS = "redis://127.0.0.1:1/0";

const littleApp = (config = {}) => new LittleApp({ redisUrl: server().url, config });
const left = ({ root }: LittleApp, ...paths: string[]) =>
  paths.filter((path) => existsSync(join(root, path)));
const outline = ({ jobs }: RunReport) => jobs.map(({ job, host, status }) => `${job} on ${host}: ${status}`);

/** Every key at every level, as paths; all elements of a list count as one. */
function pathsIn(value: unknown, path = ""): string[] {
  if (Array.isArray(value))
    return [...new Set(value.flatMap((inner) => pathsIn(inner, `${path}[]`)))].toSorted();
  if (typeof value !== "object" || value === null) return [path];
  const paths = Object.entries(value).flatMap(([key, inner]) =>
    pathsIn(inner, path === "" ? key : `${path}.${key}`),
  );
  return paths.toSorted();
}

/** Of a run in which nothing went wrong. */
const PATHS = `app durationMs engine flow hosts[] mode run startedAt verdict version nextSteps[]
  jobs[].durationMs jobs[].host jobs[].job jobs[].status jobs[].truncated
  jobs[].items[].outcome jobs[].items[].reason jobs[].items[].target
  jobs[].scans[].bytes jobs[].scans[].durationMs jobs[].scans[].keys jobs[].scans[].keysPerSecond
  jobs[].scans[].matched jobs[].scans[].pages jobs[].scans[].removed jobs[].scans[].target
  jobs[].scans[].worstPageMs
  jobs[].totals.bytes jobs[].totals.changed jobs[].totals.done jobs[].totals.failed jobs[].totals.kept
  jobs[].totals.planned
  system.disk.freeBytes system.disk.totalBytes system.redis.reachable system.redis.usedMemoryBytes
  system.services[].name system.session.ageDays system.session.file system.session.present`
  .split(/\s+/)
  .toSorted();

describe.each([
  { engine: "queue", inline: false },
  { engine: "inline", inline: true },
])("the $engine engine", ({ engine, inline }) => {
  test("shuts down: stops, cleans, checks, and says so in the shape of the design", async () => {
    const app = littleApp({ session: { file: "login.session" } });
    app.write("login.session", 0);
    await app.writeOldKeys(5);
    const service = await app.startService();
    service.output.waitFor(/asked/).then(() => service.letGo());
    const { application } = await app.open();

    const run = await application.start("shutdown", { inline });
    const report = await run.report();

    expect(run).toMatchObject({ engine, attached: false, id: report.run });
    expect(report).toMatchObject({
      version: 1,
      flow: "shutdown",
      mode: "apply",
      engine,
      app: app.name,
      verdict: "done",
      hosts: ["here"],
      unreachable: [],
      nextSteps: ["./start.sh"],
    });
    expect(report.startedAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(outline(report)).toEqual([
      "stop-services on here: done",
      "clean-session-locks on here: done",
      "prune-redis on here: done",
      "clean-temp-files on here: done",
      "check-system on here: done",
    ]);
    expect(report.jobs.map(({ totals }) => totals.done)).toEqual([2, 1, 5, 1, 0]);
    expect(pathsIn(report)).toEqual(PATHS);
    expect(report.system).toMatchObject({ services: [{ name: "crawler", running: [] }], locks: [] });
    expect(report.jobs.every(({ items }) => Array.isArray(items))).toBe(true);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(isAlive(service.pid)).toBe(false);
    expect(left(app, "pids/crawler.pid", "stale.lock", "logs/app.log.1")).toEqual([]);
    expect(left(app, "logs/app.log", "login.session")).toEqual(["logs/app.log", "login.session"]);
    expect(await app.redis.keys(`${app.name}:message:*`)).toEqual([]);
  });

  test("is followed until the follower's signal, and goes on", async () => {
    const app = littleApp();
    const service = await app.startService();
    const { application } = await app.open();
    const run = await application.start("shutdown", { inline });
    const ending = new AbortController();
    const followed = run.report({ signal: ending.signal });
    await service.wasAsked();
    ending.abort(new Error("no more of it"));
    await expect(followed).rejects.toThrow("no more of it");
    expect(isAlive(service.pid)).toBe(true);
    service.letGo();
    expect(await run.report()).toMatchObject({ verdict: "done" });
  });

  test("in plan mode says what apply would do, and touches nothing", async () => {
    const app = littleApp();
    await app.writeOldKeys(3);
    const service = await app.startService();
    const { application } = await app.open();
    const before = snapshot(app.root);

    const report = await (await application.start("shutdown", { inline, mode: "plan" })).report();

    expect(report).toMatchObject({ mode: "plan", verdict: "done", engine });
    expect(report.jobs.map(({ totals }) => totals.planned)).toEqual([2, 1, 3, 1, 0]);
    expect(report.jobs.map(({ totals }) => totals.done)).toEqual([0, 0, 0, 0, 0]);
    expect(diff(before, snapshot(app.root))).toEqual({ added: [], removed: [], changed: [] });
    expect(await app.redis.keys(`${app.name}:message:*`)).toHaveLength(3);
    expect(service.timesAsked).toBe(0);
  });

  test("does only the jobs of the flow, and of those the ones asked for", async () => {
    const app = littleApp();
    const { application } = await app.open();
    const names = async (...parameters: Parameters<typeof application.start>) =>
      outline(await (await application.start(parameters[0], { ...parameters[1], inline })).report());

    expect(await names("stop", { mode: "plan" })).toEqual([
      "stop-services on here: done",
      "clean-session-locks on here: done",
      "check-system on here: done",
    ]);
    expect(await names("clean", { jobs: ["prune-redis"] })).toEqual(["prune-redis on here: done"]);
    expect(await names("clean", { keepRedis: true })).toEqual([
      "clean-session-locks on here: done",
      "prune-redis on here: skipped",
      "clean-temp-files on here: done",
    ]);
  });

  test("goes stage by stage: no cleaning before the services have stopped", async () => {
    const app = littleApp();
    const service = await app.startService();
    const { application } = await app.open();
    const views: RunView[] = [];

    const run = await application.start("shutdown", { inline });
    const reporting = run.report({ onView: (view) => void views.push(structuredClone(view)) });
    await service.wasAsked();
    const waits = () =>
      views.flatMap(({ stages }) => stages.flat()).map(({ progress }) => progress?.waitingFor);
    const isToldOf = () => waits().some((what) => what?.startsWith(`crawler (pid ${service.pid})`));
    await waitUntil(isToldOf, "the view to say what the run waits for");
    expect(left(app, "stale.lock", "logs/app.log.1")).toEqual(["stale.lock", "logs/app.log.1"]);
    service.letGo();
    expect((await reporting).verdict).toBe("done");

    expect(views.length).toBeGreaterThan(0);
    for (const { stages } of views) {
      const begun = stages.map((stage) =>
        stage.some(({ state }) => state === "running" || state === "ended"),
      );
      const ended = stages.map((stage) => stage.every(({ state }) => state === "ended"));
      for (const [index, hasBegun] of begun.entries()) {
        if (index > 0 && hasBegun) expect(ended[index - 1]).toBe(true);
      }
    }
  });

  test("says partial when a service outlives its grace and is left alone", async () => {
    const services = [
      {
        name: "crawler",
        pidFiles: "pids/*.pid",
        matches: "crawler-service",
        grace: "300ms",
        afterGrace: "leave",
      },
    ];
    const app = littleApp({ services });
    const service = await app.startService();
    const { application } = await app.open();

    const report = await (await application.start("stop", { inline })).report();

    expect(report.verdict).toBe("partial");
    expect(report.jobs[0]).toMatchObject({ status: "partial", totals: { failed: 1, kept: 1 } });
    expect(report.system?.services).toEqual([{ name: "crawler", running: [{ pid: service.pid }] }]);
    expect(isAlive(service.pid)).toBe(true);
  });
});

test("the report is one object: from the run, from the application, in Redis, for another process", async () => {
  const app = littleApp();
  const { application } = await app.open();
  const { application: other } = await app.open({ host: "elsewhere" });

  const run = await application.start("shutdown");
  const report = await run.report();

  const raw = await app.redis.get(app.key("report", run.id));
  expect(JSON.parse(raw ?? "")).toEqual(report);
  expect(await application.report(run.id)).toEqual(report);
  expect(await other.report(run.id)).toEqual(report);
  expect(await run.report()).toEqual(report);
  const { result } = app.startCli(["runs", run.id, "--json"]);
  expect((await result).json()).toEqual(report);
  expect(await application.report("run-never")).toBeUndefined();
});

test("the jobs of a stage are queued together, before any of them has ended", async () => {
  const app = littleApp();
  const { application } = await app.open();
  const run = await application.start("clean");
  await run.report();

  const names = ["clean-session-locks.here", "clean-temp-files.here", "prune-redis"];
  const ids = names.map((name) => `${run.id}.0.${name}`);
  const whenMs: Record<string, number[]> = { added: [], completed: [] };
  for (const queue of ["host-here", "runs"]) {
    for (const [at, fields] of await app.redis.xrange(app.key(queue, "events"), "-", "+")) {
      const [, event = "", , id = ""] = fields;
      if (ids.includes(id)) whenMs[event]?.push(Number.parseInt(at, 10));
    }
  }
  const { added = [], completed = [] } = whenMs;
  expect([added.length, completed.length]).toEqual([3, 3]);
  expect(Math.max(...added)).toBeLessThanOrEqual(Math.min(...completed));
});

describe("without Redis", () => {
  test("the same stages run in this process; what needs Redis is skipped and says so", async () => {
    const app = littleApp();
    const { application } = await app.open({ redisUrl: NOBODY_LISTENS });

    const run = await application.start("shutdown");
    const report = await run.report();

    expect(run.engine).toBe("inline");
    expect(report).toMatchObject({ engine: "inline", verdict: "done", hosts: ["here"], unreachable: [] });
    const pruning = report.jobs.find(({ job }) => job === "prune-redis");
    expect(pruning).toMatchObject({ status: "skipped", totals: { done: 0, failed: 0 } });
    expect(pruning?.reason).toMatch(/^Redis at 127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/);
    expect(report.system?.redis).toMatchObject({ reachable: false });
    expect(left(app, "stale.lock", "logs/app.log.1")).toEqual([]);
  });

  test("what cannot do without it throws, and nothing has happened", async () => {
    const app = littleApp();
    const { application } = await app.open({ redisUrl: NOBODY_LISTENS });
    const before = snapshot(app.root);
    const unreachable = expect.objectContaining({ code: "redis-unreachable" });

    await expect(application.start("clean", { detach: true })).rejects.toEqual(unreachable);
    await expect(application.start("clean", { hosts: ["other"] })).rejects.toEqual(unreachable);
    await expect(application.start("clean", { hosts: "all" })).rejects.toEqual(unreachable);
    await expect(application.runs()).rejects.toEqual(unreachable);
    await expect(application.report("run-x")).rejects.toEqual(unreachable);
    await expect(application.cancel("run-x")).rejects.toEqual(unreachable);
    await expect(application.workers()).rejects.toEqual(unreachable);
    expect(diff(before, snapshot(app.root))).toEqual({ added: [], removed: [], changed: [] });
  });

  test("an application that lost Redis once finds it again", async () => {
    const redis = await useRedis();
    const app = new LittleApp({ redisUrl: redis.url });
    const { application } = await app.open();
    await application.client();
    await redis.kill();
    expect((await (await application.start("clean")).report()).engine).toBe("inline");
    await redis.start();
    expect((await (await application.start("clean")).report()).engine).toBe("queue");
  });
});

test("what this host looks like needs no queue, no run, and changes nothing", async () => {
  const app = littleApp();
  const { application } = await app.open({ redisUrl: NOBODY_LISTENS });
  const before = snapshot(app.root);
  const system = await application.system();
  expect(system).toMatchObject({ services: [{ name: "crawler", running: [] }], redis: { reachable: false } });
  expect(system.locks).toMatchObject([{ file: "stale.lock", holder: "nobody" }]);
  expect(diff(before, snapshot(app.root))).toEqual({ added: [], removed: [], changed: [] });
});
