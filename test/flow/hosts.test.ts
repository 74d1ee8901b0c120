import { describe, expect, test } from "vitest";
import { LittleApp } from "../support/little-app.ts";
import { waitUntil } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

const { server } = sharedRedis();
const littleApp = () => new LittleApp({ redisUrl: server().url });
const beats = (app: LittleApp) => app.redis.keys(app.key("worker", "*"));

/** A worker of the host was killed, so long ago that its heartbeat is gone. */
async function leaveDead(app: LittleApp, host: string): Promise<void> {
  const worker = await app.startWorker({ host });
  worker.signal("SIGKILL");
  await worker.result;
  await app.forget(worker, host);
}

describe("a heartbeat", () => {
  test("tells who is alive, where, since when, and with which config", async () => {
    const app = littleApp();
    const { application } = await app.open();
    const before = Date.now();
    await application.startWorker();

    const [worker, ...others] = await application.workers();
    expect(others).toEqual([]);
    expect(worker).toMatchObject({
      host: "here",
      pid: process.pid,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      fingerprint: application.config.fingerprint,
      root: app.root,
      isCommand: false,
    });
    const sinceMs = Date.parse(worker?.since ?? "");
    expect(sinceMs).toBeGreaterThanOrEqual(before);
    expect(sinceMs).toBeLessThanOrEqual(Date.now());
  });

  test("expires in 15 s, comes again every 5 s, and is taken back on closing", async () => {
    const app = littleApp();
    const { application } = await app.open();
    await application.startWorker();
    const [key = ""] = await beats(app);
    const ttlMs = await app.redis.pttl(key);
    expect(ttlMs).toBeGreaterThan(13_000);
    expect(ttlMs).toBeLessThanOrEqual(15_000);

    await app.redis.pexpire(key, 0);
    expect(await application.workers()).toEqual([]);
    await waitUntil(async () => (await application.workers()).length === 1, "the next heartbeat", 7_000);

    await application.close();
    expect(await beats(app)).toEqual([]);
    expect(await app.redis.exists(app.key("workers"))).toBe(0);
    expect(await app.redis.exists(app.key("hosts"))).toBe(0);
  });

  test("is taken back, and its host with it, also where Redis is slow", async () => {
    const app = littleApp();
    const worker = await app.startWorker();
    expect(await app.redis.zrange(app.key("hosts"), "0", "-1")).toEqual(["here"]);
    await app.redis.client("PAUSE", 2_000);
    worker.signal("SIGTERM");
    expect(await worker.result).toMatchObject({ code: 0 });
    expect(await beats(app)).toEqual([]);
    expect(await app.redis.exists(app.key("hosts"))).toBe(0);
  });

  test("of a killed worker lasts no longer than 15 s", async () => {
    const app = littleApp();
    const worker = await app.startWorker();
    worker.signal("SIGKILL");
    await worker.result;
    const [key = ""] = await beats(app);
    expect(await app.redis.pttl(key)).toBeLessThanOrEqual(15_000);
    const { application } = await app.open();
    expect(await application.workers()).toMatchObject([{ pid: worker.pid }]);
    await app.redis.pexpire(key, 0);
    expect(await application.workers()).toEqual([]);
  });

  test("of a killed worker does not keep its host known when the next worker ends in good order", async () => {
    const app = littleApp();
    const killed = await app.startWorker();
    killed.signal("SIGKILL");
    await killed.result;
    const { application } = await app.open();
    await application.startWorker();
    expect(await application.workers()).toHaveLength(2);
    await application.close();
    expect(await app.redis.exists(app.key("hosts"))).toBe(0);
  });

  test("of one worker does not end with that of another in the same process", async () => {
    const app = littleApp();
    const { application: first } = await app.open();
    const { application: second } = await app.open();
    await Promise.all([first.startWorker(), second.startWorker()]);
    expect(await second.workers()).toHaveLength(2);
    await first.close();
    expect(await app.redis.zrange(app.key("hosts"), "0", "-1")).toEqual(["here"]);
    expect(await second.workers()).toMatchObject([{ host: "here", pid: process.pid }]);
  });
});

test("the hosts are listed in order, each worker on its own", async () => {
  const app = littleApp();
  for (const host of ["web-2", "web-1"]) await (await app.open({ host })).application.startWorker();
  await (await (await app.open({ host: "db" })).application.start("clean", { mode: "plan" })).report();
  const child = await app.startWorker({ host: "web-1" });
  const { application } = await app.open();
  const found = (await application.workers()).map(({ host, pid, isCommand }) => ({ host, pid, isCommand }));
  const pids = [process.pid, child.pid].toSorted((a, b) => a - b);
  expect(found).toEqual([
    { host: "db", pid: process.pid, isCommand: true },
    ...pids.map((pid) => ({ host: "web-1", pid, isCommand: false })),
    { host: "web-2", pid: process.pid, isCommand: false },
  ]);
});

test("a host whose worker has died is not forgotten: all hosts means it too", async () => {
  const app = littleApp();
  await leaveDead(app, "there");

  const { application } = await app.open();
  expect(await application.hosts()).toMatchObject([{ host: "there" }]);
  const report = await (await application.start("clean", { hosts: "all" })).report();
  expect(report).toMatchObject({ verdict: "partial", hosts: ["here", "there"], unreachable: ["there"] });
});

describe("a host without a heartbeat", () => {
  const WAITING = "no heartbeat, though lately there was one: waiting";

  test("is waited for if it was seen lately: its heartbeat may have lapsed while Redis was away", async () => {
    const app = littleApp();
    const there = await new LittleApp({ redisUrl: server().url, name: app.name }).open({ host: "there" });
    const here = await app.open();
    for (const { application } of [there, here]) await application.startWorker();
    await app.redis.del(...(await beats(app))); // the next ones come in 5 s
    const report = await (await here.application.start("clean", { hosts: ["here", "there"] })).report();
    expect(report).toMatchObject({ verdict: "done", unreachable: [] });
    expect([...here.said, ...there.said]).toContain(WAITING); // either of them takes the run
  });

  test("is given up after 10 s if it is not heard again, once for the whole run", async () => {
    const app = littleApp();
    await leaveDead(app, "there");
    const { application, said } = await app.open();
    const report = await (await application.start("clean", { hosts: ["here", "there"] })).report();
    expect(report).toMatchObject({ verdict: "partial", unreachable: ["there"] });
    expect(said.filter((message) => message === WAITING)).toHaveLength(1);
  });

  test("is waited for no longer once the run is cancelled, and not called unreachable", async () => {
    const app = littleApp();
    await app.redis.zadd(app.key("workers"), Date.now(), "there:1:abcdef");
    const { application, said } = await app.open();
    const run = await application.start("clean", { hosts: ["here", "there"] });
    const reporting = run.report();
    await waitUntil(() => said.includes(WAITING), "the run to wait for the host");
    await run.cancel();
    const report = await reporting;
    expect(report).toMatchObject({ verdict: "partial", unreachable: [] });
    expect(new Set(report.jobs.map(({ status }) => status))).toEqual(new Set(["skipped"]));
  });

  test.each(["never", "more than an hour ago"])("is given up at once if it was seen %s", async (when) => {
    const app = littleApp();
    if (when !== "never") await app.redis.zadd(app.key("workers"), Date.now() - 3_601_000, "there:1:abcdef");
    const { application, said } = await app.open();
    const report = await (await application.start("clean", { hosts: ["here", "there"] })).report();
    expect(report).toMatchObject({ verdict: "partial", unreachable: ["there"] });
    expect(said).not.toContain(WAITING);
  });
});

test("a command's host is no part of the fleet", async () => {
  const app = littleApp();
  const { application } = await app.open();
  await (await application.start("clean", { mode: "plan" })).report();
  expect(await application.workers()).toMatchObject([{ host: "here", isCommand: true }]);
  expect(await application.hosts()).toEqual([]);
});

test("all hosts means those with a live worker, and this one", async () => {
  const app = littleApp();
  for (const host of ["there", "elsewhere"]) {
    const other = new LittleApp({ redisUrl: server().url, name: app.name });
    await (await other.open({ host })).application.startWorker();
  }
  const { application } = await app.open();
  const report = await (await application.start("clean", { hosts: "all" })).report();
  expect(report).toMatchObject({ verdict: "done", hosts: ["elsewhere", "here", "there"], unreachable: [] });
});

describe("names that are planted among the workers", () => {
  const PLANTED = 12_000;
  const HOUR = 3_600_000;

  async function plant(app: LittleApp, key: "workers" | "hosts", scoreMs: number): Promise<void> {
    const names = Array.from({ length: PLANTED }, (_, n) => [scoreMs, `planted-${scoreMs}-${n}`]);
    await app.redis.zadd(app.key(key), ...names.flat());
  }

  /** How often anybody has asked for a heartbeat. */
  async function looks(app: LittleApp): Promise<number> {
    return Number(/cmdstat_pttl:calls=(\d+)/.exec(await app.redis.info("commandstats"))?.[1] ?? 0);
  }

  test.each([
    { what: "seen in a year", fromNowMs: 365 * 24 * HOUR, most: 100 },
    { what: "seen an hour ago", fromNowMs: -HOUR, most: 10_000 },
  ])("and $what hide no worker, and are not all read", async ({ fromNowMs, most }) => {
    const app = littleApp();
    const { application } = await app.open();
    await application.startWorker();
    await plant(app, "workers", Date.now() + fromNowMs);
    await plant(app, "hosts", Date.now() + fromNowMs);

    const before = await looks(app);
    expect(await application.workers()).toMatchObject([{ host: "here", pid: process.pid }]);
    expect((await looks(app)) - before).toBeLessThanOrEqual(most);
    const hosts = (await application.hosts()).map(({ host }) => host);
    expect(hosts).toContain("here");
    expect(hosts.length).toBeLessThanOrEqual(most);
  });
});
