import { describe, expect, test } from "vitest";
import { preserverOf } from "../../src/system/patterns.ts";
import { load, loadText, rootWith } from "./workshop.ts";

test("the built-in policy is what the code works with", async () => {
  const { config } = await load(rootWith());
  expect(config.services[1]).toEqual({
    name: "celery-workers",
    pidFiles: ["pids/celery_*.pid"],
    matches: /celery.*\bworker\b/,
    graceMs: 15_000,
    afterGrace: "kill",
    strays: "report",
  });
  expect(config.locks).toEqual([
    { patterns: ["*.lock"], olderThanMs: 300_000, quarantineMs: undefined, sharePercent: 100 },
  ]);
  expect(config.redis.prune).toEqual([
    {
      keys: "telegram_message:*",
      url: "redis://127.0.0.1:6379/0",
      db: 0,
      olderThanMs: 480_000,
      age: [{ kind: "ttl", initialMs: 86_400_000 }, { kind: "idle" }],
      withoutTtl: "expire",
      sharePercent: 100,
    },
    {
      keys: "celery-task-meta-*",
      url: "redis://127.0.0.1:6379/0",
      db: 0,
      olderThanMs: 480_000,
      age: [{ kind: "json", path: ["date_done"] }],
      withoutTtl: "keep",
      sharePercent: 100,
    },
  ]);
  expect(config.temp[1]).toEqual({
    kind: "directories",
    patterns: ["**/__pycache__"],
    olderThanMs: 0,
    holding: ["*.pyc", "*.pyo", "*.pyc.*"],
    quarantineMs: undefined,
    sharePercent: 100,
  });
  expect(config.temp[3]).toEqual({ kind: "pidFiles", patterns: ["pids/*.pid"] });
  expect(config.temp[4]).toMatchObject({ kind: "files", unlessRunning: "celery-beat" });
  expect(config.session).toEqual({
    file: "telegram_session.session",
    adviseAfterMs: 14 * 86_400_000,
    warnAfterMs: 30 * 86_400_000,
  });
  expect(config.schedule[0]).toEqual({
    name: "prune-redis",
    flow: "clean",
    jobs: ["prune-redis"],
    cron: "*/15 * * * *",
    timezone: undefined,
    maxRandomDelayMs: 0,
  });
  expect(config).toMatchObject({
    stageDeadlineMs: 900_000,
    workerGraceMs: 25_000,
    redis: { latencyBudgetMs: 2 },
  });
});

describe("a prune rule's server and database", () => {
  test.each([
    { rule: "", url: "redis://u:p@h/3", db: 3 },
    { rule: "db: 5,", url: "redis://u:p@h/3", db: 5 },
    { rule: "url: redis://other/7,", url: "redis://other/7", db: 7 },
    { rule: "url: redis://other,", url: "redis://other", db: 0 },
    { rule: "url: redis://u:q@other/7, db: 1,", url: "redis://u:q@other/7", db: 1 },
    { rule: "url: 'redis+unix:///run/r.sock?db=4',", url: "redis+unix:///run/r.sock?db=4", db: 4 },
  ])("$rule -> $url, db $db", async ({ rule, url, db }) => {
    const { config } = await loadText(
      `app: a\nredis: { url: redis://u:p@h/3, prune: [{ ${rule} keys: "x:*", olderThan: 1d, age: [idle] }] }`,
    );
    expect(config.redis.prune[0]).toMatchObject({ url, db });
  });

  test("a rule without a server follows the flag", async () => {
    const { config } = await loadText(
      'app: a\nredis: { prune: [{ keys: "x:*", olderThan: 1d, age: [idle] }] }',
      {
        redisUrl: "redis://flag/9",
      },
    );
    expect(config.redis.prune[0]).toMatchObject({ url: "redis://flag/9", db: 9 });
  });
});

describe("what is preserved whatever the list says", () => {
  test.each([
    ["s[1].session", true],
    ["s[1].session-journal", true],
    ["s[1].session-wal", true],
    ["s[1].session-shm", true],
    ["s1.session", false],
    ["safe-shutdown.yaml", true],
    [".git", true],
    [".git/index.lock", true],
    ["sub/.git/HEAD", true],
    [".venv/lib/x.pyc", true],
    ["venv/x.pyc", true],
    [".safe-shutdown/state", true],
    ["poetry.lock", true],
    ["sub/yarn.lock", true],
    ["telegram.lock", false],
    ["gitignore", false],
  ])("%s: %s", async (path, isPreserved) => {
    const { config } = await loadText('app: a\npreserve: []\nsession: { file: "s[1].session" }');
    expect(preserverOf(config.preserve)(path) !== undefined).toBe(isPreserved);
  });
});

describe("the fingerprint", () => {
  const fingerprint = async (yaml: string, options = {}) =>
    (await loadText(yaml, options)).config.fingerprint;

  test("is 12 hex digits, the same on another host, in another root, with keys in another order", async () => {
    const first = await fingerprint("app: a\nlimits: { files: 1, keys: 2 }");
    expect(first).toMatch(/^[0-9a-f]{12}$/);
    expect(await fingerprint("limits: { keys: 2, files: 1 }\napp: a", { host: "h2" })).toBe(first);
  });

  test("does not know the password", async () => {
    const one = await fingerprint("app: a\nredis: { url: redis://u:one@h }");
    expect(await fingerprint("app: a\nredis: { url: redis://u:two@h }")).toBe(one);
    expect(await fingerprint("app: a\nredis: { url: redis://u:two@h2 }")).not.toBe(one);
  });

  test.each([
    "app: b",
    "app: a\nstageDeadline: 16m",
    "app: a\nservices: [{ name: s, pidFiles: s.pid, matches: s }]",
    "app: a\nservices: [{ name: s, pidFiles: s.pid, matches: t }]",
    "app: a\nnextSteps: [x]",
  ])("changes with %j", async (yaml) => {
    const others = ["app: a", "app: a\nservices: [{ name: s, pidFiles: s.pid, matches: u }]"];
    for (const other of others) expect(await fingerprint(yaml)).not.toBe(await fingerprint(other));
  });
});
