import { describe, expect, test } from "vitest";
import type { Application } from "../../src/flow/application.ts";
import { startSchedule } from "../../src/flow/schedule.ts";
import { systemClock } from "../../src/system/clock.ts";
import { LittleApp, type Opened } from "../support/little-app.ts";
import { waitUntil } from "../support/processes.ts";
import { sharedRedis, useRedis } from "../support/redis.ts";

const { server } = sharedRedis();
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const scheduled = (...schedule: object[]) => new LittleApp({ redisUrl: server().url, config: { schedule } });
const entry = (over: object) => ({ name: "tidy", run: "clean", jobs: ["clean-temp-files"], ...over });
const every = { second: "* * * * * *", never: "0 0 29 2 *" };
const slots = (app: LittleApp) => app.redis.zrange(app.key("slots"), "0", "-1");
const handled = (app: LittleApp, name: string, atMs: number) => app.redis.zadd(app.key("slots"), atMs, name);

/** A cron expression that comes once an hour, half an hour from now: no test runs into its slot. */
const halfAnHourAway = () => `${(new Date().getUTCMinutes() + 30) % 60} * * * *`;

/** A worker with the schedule of its config, in this process; `said` is what it logged. */
async function tick(app: LittleApp, host = "here"): Promise<Opened> {
  const opened = await app.open({ host });
  await opened.application.startWorker();
  return opened;
}

async function runIds({ application }: { application: Application }): Promise<string[]> {
  return (await application.runs(1_000)).map(({ run }) => run).toSorted();
}

/** How often each run was added to the queue, as its events say. */
async function additions(app: LittleApp): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const [, fields] of await app.redis.xrange(app.key("runs", "events"), "-", "+")) {
    const event = Object.fromEntries(
      fields.flatMap((word, n) => (n % 2 === 0 ? [[word, fields[n + 1] ?? ""]] : [])),
    );
    const { jobId = "" } = event;
    if (event.event !== "added" || !/^run-tidy-[^.]*$/.test(jobId)) continue;
    counts.set(jobId, (counts.get(jobId) ?? 0) + 1);
  }
  return counts;
}

/** A host that is alive and does nothing: it holds a run up. */
async function addGhost(app: LittleApp): Promise<void> {
  const ghost = {
    host: "ghost",
    pid: 1,
    id: "x",
    version: "0.0.0",
    fingerprint: "0123456789ab",
    root: "/x",
    since: new Date().toISOString(),
    machine: "another",
    isCommand: false,
  };
  await app.redis.zadd(app.key("workers"), Date.now(), "ghost:1:x");
  await app.redis.zadd(app.key("hosts"), Date.now(), "ghost");
  await app.redis.set(app.key("worker", "ghost:1:x"), JSON.stringify(ghost), "PX", 15_000);
}

describe("a slot", () => {
  test("is fired once, however many workers tick", async () => {
    const app = scheduled(entry({ cron: every.second }));
    const [one, two, { said }] = await Promise.all([
      app.startWorker(),
      app.startWorker({ host: "there" }),
      tick(app),
    ]);
    const { application } = await app.open();
    await waitUntil(
      async () => (await application.runs()).length >= 4,
      "four slots to have been run",
      15_000,
    );

    const logged = [one.stderr.text, two.stderr.text, ...said].join("\n").match(/slot queued/g) ?? [];
    const counts = [...(await additions(app)).values()];
    expect(counts).toEqual(counts.map(() => 1));
    expect(logged.length).toBeGreaterThan(0);
    expect(logged.length).toBeLessThanOrEqual(counts.length); // one that was overtaken by the next is not told
    const [first, second] = (await runIds({ application })).slice(-2);
    expect(first).toMatch(/^run-tidy-\d{8}t\d{6}z$/);
    expect(second).not.toBe(first);
    expect((await application.runs()).every(({ verdict }) => verdict === "done")).toBe(true);
  });

  test("is run on all hosts with a live worker, with the jobs of the entry, and told as any run", async () => {
    const app = scheduled(entry({ cron: every.second }));
    await (await app.open({ host: "there" })).application.startWorker();
    const ticking = await tick(app);
    await waitUntil(async () => (await runIds(ticking)).length >= 1, "a slot to have been run");
    const [run = ""] = await runIds(ticking);
    expect(await ticking.application.report(run)).toMatchObject({
      flow: "clean",
      mode: "apply",
      hosts: ["here", "there"],
      jobs: [
        { job: "clean-temp-files", host: "here" },
        { job: "clean-temp-files", host: "there" },
      ],
    });
    const [state] = await ticking.application.schedule();
    expect(state?.last?.run).toMatch(/^run-tidy-/);
  });

  test("with maxRandomDelay is run some time later, and is the same slot", async () => {
    const app = scheduled(entry({ cron: "*/2 * * * * *", maxRandomDelay: "1500ms" }));
    const ticking = await tick(app);
    await waitUntil(async () => (await runIds(ticking)).length >= 4, "four slots to have been run", 30_000);
    const runs = await ticking.application.runs();
    const delays = runs.map(({ run, startedAt }) => {
      const [, day = "", time = ""] = /^run-tidy-(\d{8})t(\d{6})z$/.exec(run) ?? [];
      const iso = `${day.replace(/(....)(..)(..)/, "$1-$2-$3")}T${time.replace(/(..)(..)(..)/, "$1:$2:$3")}Z`;
      expect(new Date(iso).getUTCSeconds() % 2).toBe(0);
      return Date.parse(startedAt) - Date.parse(iso);
    });
    for (const delayMs of delays) expect(delayMs).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(50);
    expect(Math.max(...delays)).toBeGreaterThan(150);
  });

  test("that nobody was up for is made up once, at the next start", async () => {
    const app = scheduled(entry({ cron: halfAnHourAway(), timezone: "UTC" }));
    const lastSlotMs =
      (Math.floor(Date.now() / HOUR) - (new Date().getUTCMinutes() < 30 ? 1 : 0)) * HOUR +
      ((new Date().getUTCMinutes() + 30) % 60) * 60_000;
    await handled(app, "tidy", Date.now() - 5 * HOUR);

    const [ticking] = await Promise.all([tick(app), tick(app, "there")]);
    await waitUntil(async () => (await runIds(ticking)).length > 0, "the missed slot to be made up");
    const again = await tick(app, "elsewhere");
    expect((await again.application.schedule())[0]?.last).toMatchObject({
      at: new Date(lastSlotMs).toISOString(),
      verdict: "done",
    });
    expect(await runIds(ticking)).toHaveLength(1);
    expect(Number(await app.redis.zscore(app.key("slots"), "tidy"))).toBe(lastSlotMs);
  });

  test("is not made up when the entry is new, when it was handled, or after a week", async () => {
    const yearly = `0 0 ${new Date(Date.now() - 20 * DAY).getUTCDate()} ${new Date(Date.now() - 20 * DAY).getUTCMonth() + 1} *`;
    const app = scheduled(
      entry({ name: "new", cron: halfAnHourAway(), timezone: "UTC" }),
      entry({ name: "handled", cron: halfAnHourAway(), timezone: "UTC" }),
      entry({ name: "old", cron: yearly, timezone: "UTC" }),
    );
    await handled(app, "handled", Date.now());
    await handled(app, "old", Date.now() - 40 * DAY);
    const { application, said } = await tick(app);
    expect(said.filter((message) => message.startsWith("slot"))).toEqual([]);
    expect(await app.redis.keys(app.key("runs", "run-*"))).toEqual([]);
    expect((await application.schedule()).map(({ last }) => last)).toEqual([undefined, undefined, undefined]);
    expect((await slots(app)).toSorted()).toEqual(["handled", "new", "old"]);
  });

  test("is not fired beside a run of the entry that still goes on", async () => {
    const app = scheduled(entry({ cron: every.second }));
    await addGhost(app);
    const { said, application } = await tick(app);

    const skipped = "slot skipped: the last run still goes on";
    await waitUntil(
      () => said.filter((message) => message === skipped).length >= 2,
      "two slots to be skipped",
    );
    expect((await additions(app)).size).toBe(1);
    expect(said.find((message) => message.startsWith("slot"))).toBe("slot queued");
    const [run = ""] = (await additions(app)).keys();
    const [state] = await application.schedule();
    expect(state).toMatchObject({
      last: { run, verdict: "running" },
      skipped: { at: expect.stringMatching(/^\d{4}-/), reason: `${run} was still going on` },
    });

    await app.redis.del(app.key("worker", "ghost:1:x"));
    await app.redis.del(app.key("hosts"));
    await application.cancel(run);
    const stuck = await app.queue("host-ghost").getJob(`${run}.0.clean-temp-files.ghost`);
    await stuck?.removeChildDependency();
    await waitUntil(async () => (await runIds({ application })).length >= 2, "the next slots to be fired");
  });

  test("is told as skipped also when a worker whose clock is ahead has handled a later one", async () => {
    const app = scheduled(entry({ cron: every.second }));
    await addGhost(app);
    const { said } = await tick(app);
    await waitUntil(() => said.includes("slot queued"), "a run that goes on");
    await handled(app, "tidy", Date.now() + HOUR);
    const now = new Date().toISOString();
    const skips = async () => JSON.parse((await app.redis.hget(app.key("skipped-slots"), "tidy")) ?? "{}");
    await waitUntil(async () => (await skips()).at > now, "a later slot to be told");
    expect((await skips()).before).toEqual((await skips()).before.toSorted().toReversed());
  });

  test("is fired in the place of a run that has been dead for longer than it could last", async () => {
    const app = scheduled(entry({ cron: every.second }));
    await addGhost(app);
    const ticking = await tick(app);
    const skipped = "slot skipped: the last run still goes on";
    await waitUntil(() => ticking.said.includes(skipped), "a slot to be skipped");
    const [dead = ""] = (await additions(app)).keys();
    // what it waits for was evicted: nothing ends it any more
    await app.redis.del(app.key("host-ghost", `${dead}.0.clean-temp-files.ghost`), app.key("hosts"));
    await app.redis.del(app.key("worker", "ghost:1:x"));
    await app.redis.hset(app.key("runs", dead), "timestamp", Date.now() - HOUR);
    await waitUntil(async () => (await runIds(ticking)).length >= 2, "the next slots to be fired");
    expect(await runIds(ticking)).not.toContain(dead);
  });

  test("is fired though another job stands in its place, which goes on", async () => {
    const app = scheduled(entry({ cron: every.second }));
    const other = await app.queue("runs").add("x", {}, { jobId: "planted", delay: DAY });
    await app.redis.set(app.key("runs", "de:schedule tidy"), "planted");
    const ticking = await tick(app);
    await waitUntil(async () => (await runIds(ticking)).length >= 2, "the slots to be fired");
    expect(await other.getState()).toBe("delayed");
  });
});

describe("a slot that Redis does not take", () => {
  test("is queued when Redis takes it again", async () => {
    const redis = await useRedis();
    const second = (new Date().getUTCSeconds() + 3) % 60; // once a minute
    const schedule = [entry({ cron: `${second} * * * * *` })];
    const app = new LittleApp({ redisUrl: redis.url, config: { schedule } });
    const { said, application } = await tick(app);
    await app.redis.config("SET", "min-replicas-to-write", "1");
    const refused = "a scheduled run could not be queued: it is tried again";
    await waitUntil(() => said.includes(refused), "the slot to be refused", 10_000);
    await app.redis.config("SET", "min-replicas-to-write", "0");
    await waitUntil(async () => (await runIds({ application })).length === 1, "the slot to be run", 20_000);
    expect(said).toContain("slot queued");
  });

  test("is told once in a while, however fast slots come", async () => {
    const redis = await useRedis();
    const schedule = [entry({ cron: every.second })];
    const app = new LittleApp({ redisUrl: redis.url, config: { schedule } });
    const { said } = await tick(app);
    await app.redis.config("SET", "min-replicas-to-write", "1");
    const refused = (message: string) => message.includes("could not be queued");
    await waitUntil(() => said.some(refused), "a slot to be refused");
    await systemClock.sleep(5_000);
    expect(said.filter(refused)).toHaveLength(1);
  });

  test("gives way to a newer one that is handled already", async () => {
    const redis = await useRedis();
    const schedule = [entry({ cron: halfAnHourAway(), timezone: "UTC" })];
    const app = new LittleApp({ redisUrl: redis.url, config: { schedule } });
    await handled(app, "tidy", Date.now() - 5 * HOUR);
    const { application } = await app.open();
    const { config, catalog } = application;
    const { queues } = await application.client();
    await app.redis.config("SET", "min-replicas-to-write", "1"); // which no worker would start on
    const said: string[] = [];
    const hear = (_facts: object, message: string) => void said.push(message);
    const log = { info: hear, warn: hear };
    const ending = new AbortController();
    const { signal } = ending;
    await startSchedule({ config, catalog, queues, clock: systemClock, log, signal });
    await waitUntil(() => said.length > 0, "the missed slot to be refused", 10_000);
    await app.redis.config("SET", "min-replicas-to-write", "0");
    await handled(app, "tidy", Date.now());
    await systemClock.sleep(2_000);
    ending.abort();
    expect(said).not.toContain("slot queued");
    expect(await app.redis.keys(app.key("runs", "run-*"))).toEqual([]);
    const [state] = await application.schedule();
    const at = expect.stringMatching(/:00\.000Z$/);
    expect(state?.skipped).toMatchObject({ at, reason: "it could not be queued before a later one" });
  });
});

describe("the schedule", () => {
  test("does not forget what another live worker has in its config", async () => {
    const app = scheduled(entry({ name: "theirs", cron: every.never }));
    const theirs = await tick(app, "there");
    const mine = new LittleApp({
      redisUrl: server().url,
      name: app.name,
      config: { schedule: [entry({ name: "mine", cron: every.never })] },
    });
    await tick(mine);
    expect((await slots(app)).toSorted()).toEqual(["mine", "theirs"]);
    await theirs.application.close();
    await tick(mine);
    expect(await slots(app)).toEqual(["mine"]);
  });

  test("forgets an entry that is gone from the config, and nothing else of it lives in Redis", async () => {
    const app = scheduled(entry({ cron: every.never }), entry({ name: "other", cron: every.never }));
    await handled(app, "gone", Date.now());
    const first = await tick(app);
    expect((await slots(app)).toSorted()).toEqual(["other", "tidy"]);
    await first.application.close();

    app.configure({ schedule: [] });
    const second = await tick(app);
    expect(await slots(app)).toEqual([]);
    expect(await second.application.schedule()).toEqual([]);
  });

  test("forgets an entry also where the worker that had it was killed right before", async () => {
    const app = scheduled(entry({ name: "other", cron: every.never }));
    const killed = await app.startWorker();
    killed.signal("SIGKILL");
    await killed.result;
    app.configure({ schedule: [] });
    await tick(app);
    expect(await slots(app)).toEqual(["other"]); // its heartbeat is still there
    await app.forget(killed);
    await waitUntil(async () => (await slots(app)).length === 0, "the entry to be forgotten", 20_000);
  });

  test("stops ticking when its worker stops", async () => {
    const app = scheduled(entry({ cron: every.second }));
    const { said, application } = await tick(app);
    await waitUntil(() => said.includes("slot queued"), "the first slot");
    await application.close();
    const slots = () => said.filter((message) => /slot|could not be queued/.test(message)).length; // jobs may still end
    const before = slots();
    await systemClock.sleep(2_100);
    expect(slots()).toBe(before);
  });

  test("lists the next three times of each entry, in its time zone", async () => {
    const app = scheduled(
      entry({ name: "india", cron: "30 2 * * *", timezone: "Asia/Kolkata" }),
      entry({ name: "utc", cron: "5 0 * * *", timezone: "UTC" }),
      entry({ name: "local", cron: "*/15 * * * *" }),
    );
    const { application } = await app.open({ redisUrl: "redis://127.0.0.1:1/0" });
    const states = await application.schedule();
    expect(states.map(({ name, cron, timezone, last }) => [name, cron, timezone, last])).toEqual([
      ["india", "30 2 * * *", "Asia/Kolkata", null],
      ["utc", "5 0 * * *", "UTC", null],
      ["local", "*/15 * * * *", undefined, null],
    ]);
    const [india, utc, local] = states.map(({ next }) => next);
    expect(india?.map((time) => time.slice(11))).toEqual(Array(3).fill("21:00:00.000Z"));
    expect(utc?.map((time) => time.slice(11))).toEqual(Array(3).fill("00:05:00.000Z"));
    for (const next of [india, utc, local]) {
      expect(next).toEqual(next?.toSorted());
      expect(Date.parse(next?.[0] ?? "")).toBeGreaterThan(Date.now());
      expect(new Set(next).size).toBe(3);
    }
    expect(Date.parse(local?.[2] ?? "") - Date.parse(local?.[0] ?? "")).toBe(30 * 60_000);
    expect(Date.parse(utc?.[1] ?? "") - Date.parse(utc?.[0] ?? "")).toBe(DAY);
  });
});
