import { utimesSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { makeApp } from "../support/app.ts";
import { DAY, HOUR, put, stoppedClock } from "../support/hands.ts";
import { diff, snapshot } from "../support/listing.ts";
import { spawnIdle } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";

const CONFIG = `
services:
  - { name: beat, pidFiles: pids/beat.pid, matches: 'celery.*\\bbeat\\b' }
  - { name: workers, pidFiles: "pids/worker*.pid", matches: 'celery.*\\bworker\\b' }
locks: [{ files: "*.lock" }]
session: { file: telegram_session.session, adviseAfter: 14d, warnAfter: 30d }`;

test("tells what is running, each process once, and who has no pid file", async () => {
  const app = await makeApp(CONFIG);
  const worker = await spawnIdle({ cwd: app.root, words: ["celery", "worker"] });
  const stray = await spawnIdle({ cwd: app.root, words: ["celery", "worker"] });
  for (const name of ["worker1", "worker2"]) put(app.root, `pids/${name}.pid`, `${worker.pid}`, 0);
  put(app.root, "pids/beat.pid", "4194304", 0);
  const { system } = await app.run("check-system");
  expect(system?.services).toEqual([
    { name: "beat", running: [] },
    {
      name: "workers",
      running: [
        { pid: worker.pid },
        { pid: stray.pid, stray: true, command: expect.stringMatching(/ celery worker$/) },
      ],
    },
  ]);
});

test("tells whether Redis is reached, and the memory it uses", async () => {
  const { url } = await useRedis();
  const reached = await (await makeApp(CONFIG, url)).run("check-system");
  expect(reached.system?.redis).toEqual({ reachable: true, usedMemoryBytes: expect.any(Number) });

  const away = await (await makeApp(CONFIG)).run("check-system");
  expect(away.system?.redis).toEqual({
    reachable: false,
    reason: "Redis at 127.0.0.1:1 cannot be reached: connect ECONNREFUSED 127.0.0.1:1",
  });
  expect(away.report.status).toBe("done");
});

test("tells of each lock how old it is and who holds it, and nothing of what is preserved", async () => {
  const app = await makeApp(`${CONFIG}\npreserve: [kept.lock]`);
  const owner = await spawnIdle();
  put(app.root, "a.lock", `${owner.pid}`, HOUR);
  put(app.root, "b.lock", "4242 elsewhere", 0);
  put(app.root, "kept.lock", "");
  const { system } = await app.run("check-system");
  const locks = [...(system?.locks ?? [])].sort((a, b) => (a.file < b.file ? -1 : 1));
  expect(locks).toEqual([
    { file: "a.lock", ageMs: expect.any(Number), holder: `pid ${owner.pid} (named in it)` },
    { file: "b.lock", ageMs: expect.any(Number), holder: "unknown: it names pid 4242 on elsewhere" },
  ]);
  expect(Math.round((locks[0]?.ageMs ?? 0) / HOUR)).toBe(1);
});

describe("of the session", () => {
  test.each([
    { ageMs: -HOUR, ageDays: 0, advice: undefined },
    { ageMs: DAY - 1, ageDays: 0, advice: undefined },
    { ageMs: 14 * DAY - 1, ageDays: 13, advice: undefined },
    { ageMs: 14 * DAY, ageDays: 14, advice: "older than 14d: renew it soon" },
    { ageMs: 30 * DAY - 1, ageDays: 29, advice: "older than 14d: renew it soon" },
    { ageMs: 30 * DAY, ageDays: 30, advice: "older than 30d: renew it now" },
  ])("$ageMs ms old: $ageDays days, $advice", async ({ ageMs, ageDays, advice }) => {
    const app = await makeApp(CONFIG);
    const writtenAt = Math.floor(Date.now() / 1_000); // whole seconds: nothing is rounded
    utimesSync(put(app.root, "telegram_session.session", "login"), writtenAt, writtenAt);
    const clock = stoppedClock(writtenAt * 1_000 + ageMs);
    const { system } = await app.run("check-system", { clock });
    const found = { file: "telegram_session.session", present: true, ageDays };
    expect(system?.session).toEqual(advice === undefined ? found : { ...found, advice });
  });

  test("it tells when there is none", async () => {
    const { system } = await (await makeApp(CONFIG)).run("check-system");
    expect(system?.session).toEqual({ file: "telegram_session.session", present: false });
  });

  test("it tells nothing when the config names none", async () => {
    const { system } = await (await makeApp("")).run("check-system");
    expect(system?.session).toBeNull();
  });
});

test.each(["plan", "apply"] as const)("changes nothing (%s)", async (mode) => {
  const app = await makeApp(CONFIG);
  put(app.root, "a.lock", "1");
  put(app.root, "pids/beat.pid", "4194304", 0);
  put(app.root, "telegram_session.session", "login");
  const before = snapshot(app.root);
  const { report } = await app.run("check-system", { mode });
  expect(report).toMatchObject({ status: "done", items: [] });
  expect(diff(before, snapshot(app.root))).toEqual({ added: [], removed: [], changed: [] });
});
