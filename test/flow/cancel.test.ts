import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RunReport } from "../../src/index.ts";
import { LittleApp } from "../support/little-app.ts";
import { isAlive, waitUntil } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

const { server } = sharedRedis();
const littleApp = () => new LittleApp({ redisUrl: server().url });
const left = ({ root }: LittleApp, ...paths: string[]) =>
  paths.filter((path) => existsSync(join(root, path)));
const outline = ({ jobs }: RunReport) =>
  jobs.map(({ job, status, reason }) => `${job}: ${status} (${reason ?? ""})`);

const CANCELLED = [
  "stop-services: partial (cancelled)",
  "clean-session-locks: skipped (the run was cancelled before)",
  "prune-redis: skipped (the run was cancelled before)",
  "clean-temp-files: skipped (the run was cancelled before)",
  "check-system: skipped (the run was cancelled before)",
];

describe.each(["queue", "inline"])(
  "cancelling a run of the %s engine while it waits for a service",
  (engine) => {
    test("ends it soon as partial, and says what was left undone", async () => {
      const app = littleApp();
      await app.writeOldKeys(2);
      const service = await app.startService();
      const { application } = await app.open();
      const run = await application.start("shutdown", { inline: engine === "inline" });
      const reporting = run.report();
      await service.wasAsked();

      const cancelledAt = performance.now();
      await run.cancel();
      const report = await reporting;

      expect(performance.now() - cancelledAt).toBeLessThan(5_000); // the service has 30 s of grace
      expect(report).toMatchObject({ verdict: "partial", engine, system: null, unreachable: [] });
      expect(outline(report)).toEqual(CANCELLED);
      expect(report.jobs[0]?.items).toEqual([
        {
          target: `crawler (pid ${service.pid})`,
          outcome: "failed",
          reason: "was asked to stop, and is still running",
        },
        { target: "pids/crawler.pid", outcome: "kept", reason: `pid ${service.pid} is still running` },
      ]);
      const untouched = ["stale.lock", "logs/app.log.1", "pids/crawler.pid"];
      expect(left(app, ...untouched)).toEqual(untouched);
      expect(await app.redis.keys(`${app.name}:message:*`)).toHaveLength(2);
      expect(isAlive(service.pid)).toBe(true);
    });
  },
);

test("a run can be cancelled from another process, and its worker goes on working", async () => {
  const app = littleApp();
  const service = await app.startService();
  const worker = await app.startWorker();
  const { application } = await app.open();
  const run = await application.start("shutdown", { detach: true });
  await service.wasAsked();

  const cancelling = await app.startCli(["cancel", run.id, "--host", "here"]).result;

  expect(cancelling.code).toBe(0);
  expect(outline(await run.report())).toEqual(CANCELLED);
  expect(worker.child.exitCode).toBeNull();
  service.letGo();
  const again = await application.start("shutdown");
  expect(again.attached).toBe(false);
  expect((await again.report()).verdict).toBe("done");
});

describe("a job whose worker is killed, and whose run is cancelled then,", () => {
  async function cutOff(app: LittleApp) {
    const service = await app.startService();
    const worker = await app.startWorker();
    const { application } = await app.open();
    const run = await application.start("stop", { detach: true });
    await service.wasAsked();
    const job = app.key("host-here", `${run.id}.0.stop-services.here`);
    await waitUntil(
      async () => (await app.redis.hget(job, "progress"))?.includes("waitingFor") === true,
      "the job to tell how far it is",
    );
    worker.signal("SIGKILL");
    await worker.result;
    await app.forget(worker);
    await application.cancel(run.id);
    return { run, service, application };
  }

  test("is not begun again, and its report says that it had begun, and what it had told", async () => {
    const app = littleApp();
    const { run, service, application } = await cutOff(app);
    await application.startWorker();
    await app.expireLocks("host-here");
    const report = await run.report();

    expect(report.verdict).toBe("partial");
    const [stopping, ...others] = outline(report);
    const begun = "it had begun and was interrupted: what it did by then is not all known here";
    expect(stopping).toMatch(
      `stop-services: partial (the run was cancelled; ${begun}; the last it told: waiting for crawler (pid ${service.pid}): `,
    );
    expect(others).toEqual([
      "clean-session-locks: skipped (the run was cancelled before)",
      "check-system: skipped (the run was cancelled before)",
    ]);
    expect(service.timesAsked).toBe(1);
  });

  test("is going on no more for `runs`, though it has not ended", async () => {
    const app = littleApp();
    const { run } = await cutOff(app);
    const told = await app.startCli(["runs", run.id, "--host", "here"]).result;
    expect(told.stdout.trim()).toBe(
      `${run.id} is cancelled, and has not ended yet: its worker ends it, or else the next worker or command of its host`,
    );
    const { stdout } = await app.startCli(["runs", run.id, "--json", "--host", "here"]).result;
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, run: run.id, state: "running", cancelled: true });
  });
});

test("a job that was to be tried again when its run was cancelled is not, and what it did is in the report", async () => {
  const jobs = [{ module: "fails.mjs", flows: ["stop"], before: "stop-services" }];
  const app = new LittleApp({ redisUrl: server().url, config: { jobs } });
  writeFileSync(
    join(app.root, "fails.mjs"),
    `export default {
       name: "fails", summary: "Fail.", runsOn: "every host",
       run: async (_, { report }) => { report.add("one", { outcome: "done", bytes: 1 }); throw new Error("no"); },
     };`,
  );
  const { application } = await app.open();
  const run = await application.start("stop");
  const reporting = run.report();
  const job = app.key("host-here", `${run.id}.0.fails.here`);
  await waitUntil(async () => Number(await app.redis.hget(job, "atm")) > 0, "the job to have failed");
  await run.cancel();
  const { jobs: told } = await reporting;
  expect(told[0]).toMatchObject({
    ...{ job: "fails", status: "partial", reason: "the run was cancelled" },
    items: expect.arrayContaining([{ target: "one", outcome: "done" }]),
  });
  expect(told.slice(1).map(({ status }) => status)).toEqual(Array(3).fill("skipped"));
});

test("a job that no worker had taken up when its run was cancelled is skipped", async () => {
  const app = littleApp();
  const { application } = await app.open();
  await app.queue("host-here").pause();
  const run = await application.start("stop");
  const reporting = run.report();
  await waitUntil(
    async () => (await app.redis.exists(app.key("host-here", `${run.id}.0.stop-services.here`))) === 1,
    "the job to be put into its queue",
  );
  await run.cancel();
  await app.queue("host-here").resume();
  expect(outline(await reporting)).toEqual(
    ["stop-services", "clean-session-locks", "check-system"].map(
      (job) => `${job}: skipped (the run was cancelled before)`,
    ),
  );
});

test("what has ended, or never was, cannot be cancelled", async () => {
  const app = littleApp();
  const { application } = await app.open();
  const run = await application.start("clean");
  await run.report();
  await expect(run.cancel()).rejects.toMatchObject({
    code: "usage",
    message: expect.stringMatching(/has ended/),
  });
  await expect(application.cancel("run-x")).rejects.toMatchObject({
    code: "usage",
    message: "run-x cannot be cancelled: there is no such run; see safe-shutdown runs",
  });
  expect(await app.redis.keys(app.key("cancel", "*"))).toEqual([]);
});
