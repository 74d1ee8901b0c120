import { setTimeout as lasts } from "node:timers/promises";
import { describe, expect } from "vitest";
import type { RunReport } from "../../src/index.ts";
import type { RunningCli } from "../support/cli.ts";
import { onFinished } from "../support/finish.ts";
import { LittleApp } from "../support/little-app.ts";
import { useRedis } from "../support/redis.ts";
import { useRedisProxy } from "../support/redis-proxy.ts";
import { fault } from "./fault.ts";

/*
 * A schedule that many workers fire, some of them with a wrong clock, some of them only for a while.
 */

const SLOT_MS = 2_000;
const LASTS_MS = 60_000;
const RESTART_MS = 7_000;
const LOOK_MS = 100;
const WRONG_BY_MS = 5_000;

/** Loaded before the program: its clock is ahead, as that of a machine that nobody has set. */
const aheadOfTime = `data:text/javascript,${encodeURIComponent(`
  const now = Date.now;
  const Right = Date;
  globalThis.Date = class extends Right {
    constructor(...words) { words.length === 0 ? super(now() + ${WRONG_BY_MS}) : super(...words); }
    static now() { return now() + ${WRONG_BY_MS}; }
  };
`)}`;

const tick = {
  name: "tick",
  run: "clean",
  jobs: ["clean-temp-files"],
  cron: "*/2 * * * * *",
  timezone: "UTC",
};

describe.concurrent("five workers, one with a clock that is 5 s ahead, one restarted every 7 s", () => {
  fault("run every slot of a schedule exactly once, for 60 s", async () => {
    const redis = await useRedis();
    const app = new LittleApp({ redisUrl: redis.url, config: { schedule: [tick] } });
    const steady = await Promise.all([
      ...Array.from({ length: 3 }, () => app.startWorker()),
      app.startWorker({ env: { NODE_OPTIONS: `--import=${aheadOfTime}` } }),
    ]);
    const skipped = watchSkips(app);
    const fromMs = Date.now();
    const restarted = await restartUntil(app, fromMs + LASTS_MS);
    const untilMs = Date.now();
    for (const worker of [...steady, restarted]) worker.signal("SIGTERM");
    for (const worker of [...steady, restarted]) expect(await worker.result).toMatchObject({ code: 0 });

    const reports = await reportsOf(app);
    const slots = reports.map(({ run }) => timeOfSlot(run));
    const due = Array.from({ length: Math.floor((untilMs - fromMs) / SLOT_MS) - 1 }, (_, n) => {
      return (Math.ceil(fromMs / SLOT_MS) + n) * SLOT_MS;
    });
    expect(new Set(slots).size).toBe(slots.length);
    expect(due.filter((slot) => !slots.includes(slot) && !skipped().has(slot))).toEqual([]);
    for (const report of reports) expect(report, JSON.stringify(report)).toMatchObject({ verdict: "done" });
    expect(await timesBegun(app)).toEqual(new Set(["1"]));
  });
});

/** One worker after another, each for 7 s. Answers the last one, which is up. */
async function restartUntil(app: LittleApp, endMs: number): Promise<RunningCli> {
  for (;;) {
    const worker = await app.startWorker();
    await lasts(Math.min(RESTART_MS, Math.max(0, endMs - Date.now())));
    if (Date.now() >= endMs) return worker;
    worker.signal("SIGTERM");
    expect(await worker.result).toMatchObject({ code: 0 });
  }
}

async function reportsOf(app: LittleApp): Promise<RunReport[]> {
  const runs = await app.redis.zrange(app.key("history", "scheduled"), "0", "-1");
  const texts = await app.redis.mget(runs.map((run) => app.key("report", run)));
  return texts.map((text) => JSON.parse(text ?? "null"));
}

/**
 * The slots that are recorded as skipped from now on: on a slow machine a run may still go on when another worker, whose
 * clock is ahead, comes to the next slot.
 */
function watchSkips(app: LittleApp): () => ReadonlySet<number> {
  const seen = new Set<number>();
  const look = async () => {
    const text = await app.redis.hget(app.key("skipped-slots"), "tick");
    if (text === null) return;
    const { at, before } = JSON.parse(text);
    for (const slot of [at, ...before]) seen.add(Date.parse(slot)); // several may be skipped between two looks
  };
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_MS);
  onFinished(() => clearInterval(timer));
  return () => seen;
}

/** How often the jobs of the schedule were begun, each number once. */
async function timesBegun(app: LittleApp): Promise<Set<string | null>> {
  const jobs = await app.redis.keys(app.key("host-here", "run-tick-*"));
  return new Set(await Promise.all(jobs.map((key) => app.redis.hget(key, "ats"))));
}

function timeOfSlot(run: string): number {
  const [, year, month, day, hour, minute, second] =
    /-(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)z$/.exec(run) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

describe.concurrent("a slot that comes while the run of the last one goes on", () => {
  fault("is skipped, and that is recorded with the reason", async () => {
    const redis = await useRedis();
    const app = new LittleApp({
      redisUrl: redis.url,
      config: { schedule: [{ ...tick, jobs: ["prune-redis"] }] },
    });
    await app.writeOldKeys(2);
    const proxy = await useRedisProxy(redis.port);
    const pruning = proxy.holdBefore({ text: ":message:*" });
    const worker = await app.startWorker({ redisUrl: proxy.url });
    const held = await pruning;
    await worker.stderr.waitFor(/(slot skipped: the last run still goes on[\s\S]*){2}/, 60_000);

    const { result } = app.startCli(["schedule", "--json", "--host", "here"]);
    const { schedule } = (await result).json() as { schedule: { last?: object; skipped?: object }[] };
    expect(schedule).toMatchObject([
      {
        last: { verdict: "running" },
        skipped: {
          at: expect.any(String),
          reason: expect.stringMatching(/^run-tick-\S+ was still going on/),
        },
      },
    ]);

    held.release();
    await worker.stderr.waitFor(/(run ended[\s\S]*){2}/, 60_000); // the next slot has a run again
    worker.signal("SIGTERM");
    expect(await worker.result).toMatchObject({ code: 0 });
  });
});
