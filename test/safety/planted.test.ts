import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RunReport } from "../../src/report/report.ts";
import { LittleApp } from "../support/little-app.ts";
import { sharedRedis } from "../support/redis.ts";

/* Whoever can write to Redis can plant what they like there. */

const { server } = sharedRedis();
const littleApp = () => new LittleApp({ redisUrl: server().url });
const intent = { version: 1, flow: "clean", mode: "apply", hosts: ["here"], force: false, keepRedis: false };

test("a paused queue is refused, with a hint how to go on", async () => {
  const app = littleApp();
  await app.queue("runs").pause();
  const { code, stderr } = await app.startCli(["clean", "--yes", "--host", "here"]).result;
  expect(code).toBe(4);
  expect(stderr).toMatch(/the queue of runs in Redis is paused: .* Resume it, or run here with --inline\./);
  expect(existsSync(join(app.root, "stale.lock"))).toBe(true);
});

describe("a heartbeat", () => {
  test.each([
    { what: "of the usual 15 s counts", ttlMs: 15_000, counts: true },
    { what: "without an end does not count", ttlMs: undefined, counts: false },
    { what: "of a day does not count", ttlMs: 86_400_000, counts: false },
  ])("$what", async ({ ttlMs, counts }) => {
    const app = littleApp();
    const { application } = await app.open();
    const since = new Date().toISOString();
    const names = { host: "ghost", pid: 4242, id: "abcdef", version: "1.0.0", fingerprint: "0123456789ab" };
    const key = app.key("worker", "ghost:4242:abcdef");
    await app.redis.set(key, JSON.stringify({ ...names, root: app.root, since, isCommand: false }));
    if (ttlMs !== undefined) await app.redis.pexpire(key, ttlMs);
    await app.redis.zadd(app.key("workers"), Date.now(), "ghost:4242:abcdef");
    expect((await application.workers()).map(({ host }) => host)).toEqual(counts ? ["ghost"] : []);
  });
});

describe("under the deduplication id of a run", () => {
  const plant = (app: LittleApp, data: object, jobId: string) =>
    app.queue("runs").add("clean", data, { jobId, deduplication: { id: "clean apply on here" } });
  const submit = async (app: LittleApp) => {
    const client = await (await app.open()).application.client();
    return client.submit("run-new", { ...intent, version: 1, flow: "clean", mode: "apply" });
  };

  test("a run of this kind is followed", async () => {
    const app = littleApp();
    await plant(app, intent, "run-same");
    expect(await submit(app)).toEqual({ run: "run-same", attached: true });
  });

  test.each([
    { what: "a dry run", data: { ...intent, mode: "plan" } },
    { what: "a run of another flow", data: { ...intent, flow: "stop" } },
    { what: "a run for another host", data: { ...intent, hosts: ["there"] } },
    { what: "something that is no run", data: { hello: "world" } },
  ])("$what is not followed", async ({ data }) => {
    const app = littleApp();
    await plant(app, data, "run-planted");
    const { run, attached } = await submit(app);
    expect(attached).toBe(false);
    expect(run).not.toBe("run-planted");
  });

  test("a run for another day is not followed", async () => {
    const app = littleApp();
    const deduplication = { id: "clean apply on here" };
    await app.queue("runs").add("clean", intent, { jobId: "run-late", deduplication, delay: 86_400_000 });
    expect(await submit(app)).toMatchObject({ attached: false });
  });
});

describe("under the name of a report", () => {
  const ESCAPE = "\u001b[2J\u001b[31m\u009b1mowned\u202e";
  const fields = { version: 1, run: "run-planted", flow: "clean", mode: "apply", engine: "queue" } as const;
  const totals = { done: 0, planned: 0, kept: 1, changed: 0, failed: 0, bytes: 0 };
  const report: RunReport = {
    ...fields,
    app: "scraper",
    verdict: "done",
    startedAt: new Date().toISOString(),
    durationMs: 1,
    hosts: ["here"],
    unreachable: [],
    jobs: [
      {
        ...{ job: "clean-temp-files", host: "here", status: "done", reason: ESCAPE, durationMs: 1, totals },
        items: [{ target: ESCAPE, outcome: "kept", reason: ESCAPE }],
        truncated: false,
      },
    ],
    system: null,
    nextSteps: [ESCAPE],
  };

  async function plant(texts: readonly string[]): Promise<LittleApp> {
    const app = littleApp();
    for (const [n, text] of texts.entries()) {
      await app.redis.set(app.key("report", `run-${n}`), text);
      await app.redis.zadd(app.key("history", "clean"), Date.now(), `run-${n}`);
    }
    return app;
  }

  /** What the commands say, one after another, on both streams. */
  async function say(app: LittleApp, ...commands: string[][]) {
    const results = await Promise.all(commands.map((words) => app.startCli(words).result));
    return results.map(({ code, stdout, stderr }) => ({ code, said: stdout + stderr }));
  }

  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is they that must not be there
  const UNPRINTABLE = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/;

  const NONE: Record<string, string> = {
    garbage: `${ESCAPE} no json`,
    null: "null",
    "an empty object": "{}",
    "a list": "[1]",
    "an app with an escape": JSON.stringify({ ...report, app: ESCAPE }),
    "a flow with an escape": JSON.stringify({ ...report, flow: ESCAPE }),
    "a run with an escape": JSON.stringify({ ...report, run: ESCAPE }),
    "a host with an escape": JSON.stringify({ ...report, hosts: [ESCAPE] }),
    "a time with an escape": JSON.stringify({ ...report, startedAt: ESCAPE }),
    "an amount that is text": JSON.stringify({ ...report, durationMs: ESCAPE }),
  };

  test.each(Object.entries(NONE))("%s is no report", async (_what, text) => {
    const { application } = await (await plant([text])).open();
    expect(await application.report("run-0")).toBeUndefined();
    expect(await application.runs()).toEqual([]);
    expect(await application.stateOf("run-0")).toEqual({ state: "unknown" });
  });

  test("what is no report crashes no command, and no escape of it is printed", async () => {
    const app = await plant(Object.values(NONE));
    const answers = await say(
      app,
      ["runs"],
      ["runs", "run-0"],
      ["runs", "run-2"],
      ["runs", "run-5"],
      ["status"],
    );
    const [runs, garbage, , , status] = answers;
    expect(answers.map(({ code }) => code)).toEqual([0, 2, 2, 2, 0]);
    expect(runs?.said).toBe("no runs are known\n");
    expect(garbage?.said).toMatch(/no run "run-0" is known/);
    expect(status?.said).toMatch(/^Last run +none known$/m);
    for (const { said } of answers) expect(said).not.toMatch(UNPRINTABLE);
  });

  test("escapes in what is free text are shown as what they are", async () => {
    const app = await plant([JSON.stringify(report)]);
    const answers = await say(app, ["runs"], ["runs", "run-0"], ["status"]);
    expect(answers.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(answers[1]?.said).toContain("\\x1b[2J\\x1b[31m\\x9b1mowned\\u202e");
    for (const { said } of answers) expect(said).not.toMatch(UNPRINTABLE);
  });
});
