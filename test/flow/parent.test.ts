import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type RunReport, requestOf } from "../../src/index.ts";
import type { RunningCli } from "../support/cli.ts";
import { LittleApp } from "../support/little-app.ts";
import { waitUntil } from "../support/processes.ts";
import { sharedRedis, useRedis } from "../support/redis.ts";
import { useRedisProxy } from "../support/redis-proxy.ts";

const { server } = sharedRedis();
const littleApp = (options: { config?: object; name?: string } = {}) =>
  new LittleApp({ redisUrl: server().url, ...options, config: { ...options.config } });
const left = ({ root }: LittleApp, ...paths: string[]) =>
  paths.filter((path) => existsSync(join(root, path)));
const outline = ({ jobs }: RunReport) => jobs.map(({ job, host, status }) => `${job} on ${host}: ${status}`);

/** A stage must be longer than the graces of its services. */
const shortDeadline = {
  services: [{ name: "crawler", pidFiles: "pids/crawler.pid", matches: "crawler-service", grace: "1s" }],
  stageDeadline: "2s",
};

const UNDISTURBED = [
  "stop-services on here: done",
  "clean-session-locks on here: done",
  "prune-redis on here: done",
  "clean-temp-files on here: done",
  "check-system on here: done",
];

async function kill(worker: RunningCli): Promise<void> {
  worker.signal("SIGKILL");
  await worker.result;
}

describe("kill -9 of the worker", () => {
  test.each([
    { moment: "before the first stage has a deadline", text: ".0.deadline" },
    { moment: "before the first job is queued", text: ".0.stop-services.here" },
    { moment: "between two stages", text: ".1.deadline" },
    { moment: "before the second stage's jobs are queued", text: ".1.clean-session-locks.here" },
    { moment: "before the last stage", text: ".2.deadline" },
    { moment: "before the report is saved", text: ":report:run-" },
    { moment: "after the report is saved, before the run has ended", text: ":history:" },
  ])("$moment: another takes over, and every job has one final report", async ({ text }) => {
    const app = littleApp();
    await app.writeOldKeys(2);
    const service = await app.startService();
    service.output.waitFor(/asked/, 60_000).then(
      () => service.letGo(),
      () => undefined,
    );
    const proxy = await useRedisProxy(server().port);
    const doomed = await app.startWorker({ redisUrl: proxy.url });
    const isKilled = proxy.cutBefore(text, () => doomed.signal("SIGKILL"));
    const { application } = await app.open();

    const run = await application.start("shutdown", { detach: true });
    await isKilled;
    await doomed.result;
    await app.expireLocks("runs"); // before another takes its own
    await app.expireLocks("host-here");
    await application.startWorker();
    const report = await run.report();

    expect(report).toMatchObject({ run: run.id, verdict: "done", unreachable: [] });
    expect(outline(report)).toEqual(UNDISTURBED);
    expect(report.jobs.map(({ totals }) => totals.done)).toEqual([2, 1, 2, 1, 0]);
    expect(service.timesAsked).toBe(1);
    expect(await application.runs()).toMatchObject([{ run: run.id, verdict: "done" }]);
    const { processed, ignored } = (await (await app.queue("runs").getJob(run.id))?.getDependencies()) ?? {};
    expect(Object.keys(processed ?? {})).toHaveLength(5);
    expect(ignored).toEqual({});
    expect(left(app, "stale.lock", "logs/app.log.1", "pids/crawler.pid")).toEqual([]);
  });

  test("during a job: another does it again from its start", async () => {
    const app = littleApp();
    const service = await app.startService();
    const doomed = await app.startWorker();
    const { application, said } = await app.open();
    const run = await application.start("shutdown", { detach: true });
    await service.wasAsked();
    await waitUntil(() => app.notesOfAsking().length === 1, "the note of it");

    await kill(doomed);
    expect(left(app, "stale.lock")).toEqual(["stale.lock"]);
    await app.expireLocks("host-here");
    await application.startWorker();
    await waitUntil(() => said.includes("job begins"), "another to do it again");
    service.letGo();

    const report = await run.report();
    expect(report.verdict).toBe("done");
    expect(outline(report)).toEqual(UNDISTURBED);
    expect(service.timesAsked).toBe(1); // to many a second SIGTERM means "at once"
  });

  test("three times in one run: it still ends well", async () => {
    const app = littleApp();
    const service = await app.startService();
    const { application } = await app.open();
    await application.client();
    let worker = await app.startWorker();
    const run = await application.start("stop", { detach: true });
    for (let times = 1; times <= 3; times++) {
      await service.wasAsked(times);
      await kill(worker);
      app.forgetAsked();
      await app.expireLocks("host-here");
      worker = await app.startWorker();
    }
    await service.wasAsked(4);
    service.letGo();
    expect((await run.report()).verdict).toBe("done");
  });

  test("with nothing sped up, another has taken over within 30 s", { timeout: 60_000 }, async () => {
    const app = littleApp();
    const service = await app.startService();
    const doomed = await app.startWorker();
    const { application } = await app.open();
    const run = await application.start("stop", { detach: true });
    await service.wasAsked();
    await app.startWorker();

    const startedAt = performance.now();
    await kill(doomed);
    app.forgetAsked();
    await service.wasAsked(2, 40_000);
    expect(performance.now() - startedAt).toBeLessThan(30_000);

    service.letGo();
    expect((await run.report()).verdict).toBe("done");
  });
});

describe("a job that throws", () => {
  test("is tried four times, then reported as failed with the reason; the run goes on and ends", async () => {
    const app = littleApp();
    await app.redis.acl("SETUSER", "reader", "on", "nopass", "~*", "+@all", "-eval", "-evalsha");
    const rule = {
      keys: "message:*",
      olderThan: "1h",
      age: ["idle"],
      url: `redis://reader:x@127.0.0.1:${server().port}`,
    };
    app.configure({ redis: { url: server().url, prune: [rule] } });
    const { application } = await app.open();

    const run = await application.start("shutdown");
    const report = await run.report();

    expect(report.verdict).toBe("partial");
    expect(outline(report)).toEqual(
      UNDISTURBED.map((line) => line.replace("redis on here: done", "redis on here: failed")),
    );
    const pruning = report.jobs.find(({ job }) => job === "prune-redis");
    expect(pruning?.reason).toMatch(/NOPERM/);
    expect(pruning?.reason).not.toMatch(/reader:x/);
    const job = await app.queue("runs").getJob(`${run.id}.1.prune-redis`);
    expect(job?.attemptsMade).toBe(4);
    expect(left(app, "stale.lock", "logs/app.log.1")).toEqual([]);
  }, 60_000);
});

describe("many hosts", () => {
  test("a host without a worker is unreachable at once, and not tried in later stages; the others go on", async () => {
    const app = littleApp();
    const { application } = await app.open();

    const run = await application.start("shutdown", { hosts: ["here", "nowhere"] });
    const report = await run.report();

    expect(report).toMatchObject({
      verdict: "partial",
      hosts: ["here", "nowhere"],
      unreachable: ["nowhere"],
    });
    expect(report.durationMs).toBeLessThan(10_000);
    expect(outline(report)).toEqual(
      UNDISTURBED.flatMap((line) =>
        line.startsWith("prune") ? [line] : [line, line.replace("here: done", "nowhere: missing")],
      ),
    );
    const missing = report.jobs.filter(({ host }) => host === "nowhere");
    expect(missing.map(({ reason }) => reason)).toEqual(Array(4).fill("no live worker"));
    expect(await app.redis.keys(app.key("host-nowhere", "*"))).toEqual([]);
  });

  test("no host cleans before every host has stopped its services", async () => {
    const app = littleApp();
    const there = littleApp({ name: app.name });
    const service = await there.startService();
    await (await there.open({ host: "there" })).application.startWorker();
    const { application } = await app.open();
    await application.startWorker();

    const run = await application.start("shutdown", { hosts: "all" });
    const hasStopped = async () =>
      (await app.queue("host-here").getJob(`${run.id}.0.stop-services.here`))?.finishedOn;
    await service.wasAsked();
    await waitUntil(
      async () => (await hasStopped()) !== undefined,
      "the first host to be done with its services",
    );
    expect(left(app, "stale.lock", "logs/app.log.1")).toEqual(["stale.lock", "logs/app.log.1"]);
    service.letGo();

    const report = await run.report();
    expect(report).toMatchObject({ verdict: "done", hosts: ["here", "there"], unreachable: [] });
    expect(report.jobs).toHaveLength(9);
    expect(report.jobs.filter(({ job }) => job === "prune-redis")).toHaveLength(1);
    const stopped = await app.queue("host-there").getJob(`${run.id}.0.stop-services.there`);
    const cleaned = await app.queue("host-here").getJob(`${run.id}.1.clean-session-locks.here`);
    expect(cleaned?.processedOn).toBeGreaterThanOrEqual(stopped?.finishedOn ?? Number.NaN);
    expect([...left(app, "stale.lock"), ...left(there, "stale.lock")]).toEqual([]);
    expect(report.system?.services).toEqual([
      { name: "crawler", running: [], stoppedOn: ["here", "there"], unknownOn: [] },
    ]);
  });

  test("all of them are those that were known at first, also when Redis refuses and one signs off meanwhile", async () => {
    const redis = await useRedis();
    const proxy = await useRedisProxy(redis.port);
    const app = new LittleApp({ redisUrl: redis.url });
    const { application } = await app.open();
    const working = await app.open({ redisUrl: proxy.url });
    await working.application.startWorker();
    await app.redis.zadd(app.key("hosts"), Date.now(), "there"); // it had a worker, which has died
    const coming = proxy.holdBefore({ text: ".0.deadline" });
    const { name, data, options } = requestOf({ app: app.name, flow: "clean", hosts: "all" });
    const job = await app.queue("runs").add(name, data, options);
    const held = await coming;
    await app.redis.config("SET", "maxmemory", "1");
    held.release();
    await waitUntil(() => working.said.includes("the run waits for Redis"), "the run to be refused");
    await app.redis.zrem(app.key("hosts"), "there");
    await app.redis.config("SET", "maxmemory", "0");
    const report = await (await application.attach(job.id ?? "")).report();
    expect(report).toMatchObject({ verdict: "partial", hosts: ["here", "there"], unreachable: ["there"] });
  });

  test("one whose worker was killed is given up at the deadline of the stage, and does nothing later", async () => {
    const config = shortDeadline;
    const app = littleApp({ config });
    const there = littleApp({ name: app.name, config });
    const service = await there.startService();
    const doomed = await there.startWorker({ host: "there" });
    const { application } = await app.open();

    const run = await application.start("shutdown", { hosts: ["here", "there"] });
    await service.wasAsked();
    await kill(doomed);
    await there.forget(doomed, "there");
    const report = await run.report();

    expect(report).toMatchObject({ verdict: "partial", unreachable: ["there"] });
    expect(report.jobs.filter(({ host }) => host === "here").every(({ status }) => status === "done")).toBe(
      true,
    );
    const missing = report.jobs.filter(({ host }) => host === "there");
    expect(missing.map(({ status, reason }) => `${status}: ${reason}`)).toEqual(
      Array(4).fill("missing: no live worker"),
    );
    expect(left(there, "stale.lock")).toEqual(["stale.lock"]);

    await (await there.open({ host: "there" })).application.startWorker();
    await app.expireLocks("host-there");
    const late = await app.queue("host-there").getJob(`${run.id}.0.stop-services.there`);
    await waitUntil(async () => (await late?.getState()) === "completed", "the late job to be dealt with");
    expect(service.timesAsked).toBe(1);
    expect(await application.report(run.id)).toEqual(report);
  });

  test("one whose worker hangs is given up too, and its next jobs are not begun", async () => {
    const config = shortDeadline;
    const app = littleApp({ config });
    const there = littleApp({ name: app.name, config });
    const service = await there.startService();
    const worker = await there.startWorker({ host: "there" });
    const { application } = await app.open();

    const run = await application.start("shutdown", { hosts: ["here", "there"] });
    await service.wasAsked();
    worker.signal("SIGSTOP");
    const report = await run.report();

    expect(report).toMatchObject({ verdict: "partial", unreachable: [] });
    const missing = report.jobs.filter(({ host }) => host === "there");
    expect(missing.map(({ reason }) => reason)).toEqual(Array(4).fill("not finished within 2s"));
    worker.signal("SIGCONT");
    const slow = await app.queue("host-there").getJob(`${run.id}.0.stop-services.there`);
    await waitUntil(async () => (await slow?.getState()) === "completed", "the slow job to end");
    expect(left(there, "stale.lock", "logs/app.log.1")).toEqual(["stale.lock", "logs/app.log.1"]);
    expect(await application.report(run.id)).toEqual(report);
  });
});
