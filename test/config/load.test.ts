import { symlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { NAME } from "../../src/config/schema.ts";
import { load, loadText, problemsOf, rootWith } from "./workshop.ts";

describe("which config counts", () => {
  test.each([
    "safe-shutdown.yaml",
    "safe-shutdown.yml",
    "safe-shutdown.json",
    "config/safe-shutdown.yaml",
    "config/safe-shutdown.yml",
    "config/safe-shutdown.json",
  ])("finds %s", async (file) => {
    const { config } = await load(rootWith({ [file]: '{\n\t"app": "found"\n}' }));
    expect(config).toMatchObject({ app: "found", file });
    expect(config.preserve).toContain(file);
  });

  test("without a config the built-in policy applies", async () => {
    const { config, warnings } = await load(rootWith());
    expect(config.app).toBe("telegram-ai-scraper");
    expect(config.file).toBeUndefined();
    expect(config.services.map(({ name }) => name)).toEqual(["celery-beat", "celery-workers", "flower"]);
    expect(warnings).toEqual([]);
  });

  test("two configs at once are a problem that names both", async () => {
    const root = rootWith({ "safe-shutdown.yaml": "app: a", "config/safe-shutdown.json": '{"app":"b"}' });
    const [problem, ...others] = await problemsOf(load(root));
    expect(others).toEqual([]);
    expect(`${problem?.path} ${problem?.message}`).toContain("safe-shutdown.yaml");
    expect(problem?.message).toContain("config/safe-shutdown.json");
  });

  test("a config that is named wins over one that is there", async () => {
    const root = rootWith({ "safe-shutdown.yaml": "app: a", "ops/other.yaml": "app: b" });
    const { config } = await load(root, { configFile: join(root, "ops/other.yaml") });
    expect(config).toMatchObject({ app: "b", file: "ops/other.yaml" });
  });

  test("a config outside the root keeps its absolute path", async () => {
    const other = join(rootWith({ "policy.yaml": "app: b" }), "policy.yaml");
    expect((await load(rootWith(), { configFile: other })).config.file).toBe(other);
  });

  test("a named config reached through a link is preserved under its real name", async () => {
    const root = rootWith({ "ops.yaml": "app: b" });
    const link = join(rootWith(), "app");
    symlinkSync(root, link);
    expect((await load(root, { configFile: join(link, "ops.yaml") })).config.preserve).toContain("ops.yaml");
  });

  test("a named config that is missing is a problem", async () => {
    const problems = await problemsOf(load(rootWith(), { configFile: "/nowhere/x.yaml" }));
    expect(problems).toMatchObject([{ path: "/nowhere/x.yaml", hint: "check --config" }]);
  });
});

describe("which Redis counts", () => {
  const root = () => rootWith({ "safe-shutdown.yaml": "app: a\nredis: { url: redis://file/3, prune: [] }" });
  test.each([
    {
      who: "the flag wins",
      redisUrl: "redis://flag/1",
      env: "redis://env/2",
      url: "redis://flag/1",
      origin: "--redis",
    },
    {
      who: "then the environment",
      env: "redis://env/2",
      url: "redis://env/2",
      origin: "SAFE_SHUTDOWN_REDIS_URL",
    },
    { who: "then the file", url: "redis://file/3", origin: "safe-shutdown.yaml:2" },
    {
      who: "an empty variable counts as not set",
      env: "",
      url: "redis://file/3",
      origin: "safe-shutdown.yaml:2",
    },
  ])("$who", async ({ redisUrl, env, url, origin }) => {
    const { config, origins } = await load(root(), { redisUrl, env: { SAFE_SHUTDOWN_REDIS_URL: env } });
    expect(config.redis.url).toBe(url);
    expect(config.queue.url).toBe(url);
    expect(origins).toContainEqual({ path: "redis.url", value: url, origin });
    expect(origins).toContainEqual({ path: "queue.url", value: url, origin: "redis.url" });
  });

  test("then the default", async () => {
    const { config, origins } = await loadText("app: a");
    expect(config.redis.url).toBe("redis://127.0.0.1:6379/0");
    expect(origins).toContainEqual({
      path: "redis.url",
      value: "redis://127.0.0.1:6379/0",
      origin: "default",
    });
  });

  test("a variable that is no Redis URL is a problem that does not show it", async () => {
    const problems = await problemsOf(
      loadText("app: a", { env: { SAFE_SHUTDOWN_REDIS_URL: "h:hunter2@x" } }),
    );
    expect(problems.map(({ path }) => path)).toEqual(["SAFE_SHUTDOWN_REDIS_URL"]);
    expect(JSON.stringify(problems)).not.toContain("hunter2");
  });
});

describe("what this host is called", () => {
  test("what --host says", async () => {
    const { config, origins } = await loadText("app: a", { host: "web-1" });
    expect(config.host).toBe("web-1");
    expect(origins).toContainEqual({ path: "host", value: "web-1", origin: "--host" });
  });

  test.runIf(NAME.test(hostname()))("else the hostname", async () => {
    const root = rootWith({ "safe-shutdown.yaml": "app: a" });
    expect((await loadConfig({ root, env: {} })).config.host).toBe(hostname());
  });

  test.each(["", "a:b", "a b", "-a", "a".repeat(64)])("%j is no name", async (host) => {
    expect(await problemsOf(loadText("app: a", { host }))).toMatchObject([{ path: "--host" }]);
  });

  test("a name of 63 letters is one", async () => {
    expect((await loadText("app: a", { host: "a".repeat(63) })).config.host).toHaveLength(63);
  });
});

test("every problem is listed at once, in the order of the file, with line and hint", async () => {
  const problems = await problemsOf(
    loadText(`app: "x y"
services:
  - { name: a, pidFiles: a.pid, matches: a, grac: 5s }
redis:
  prune:
    - { keys: "unacked*", olderThan: 5x, age: [idle] }
    - { keys: "x:*", age: [idle] }
temp:
  - { files: "**", unlessRunning: b }
schedule:
  - { name: s, run: clean, cron: "61 * * * *", timezone: Nowhere }
`),
  );
  expect(problems.map(({ path }) => path)).toEqual([
    "app",
    "services[0].grac",
    "redis.prune[0].olderThan",
    "redis.prune[0].keys",
    "redis.prune[1].olderThan",
    "temp[0].unlessRunning",
    "temp[0].files",
    "schedule[0].cron",
    "schedule[0].timezone",
  ]);
  expect(problems[1]).toEqual({
    path: "services[0].grac",
    message: "unknown key `grac` (safe-shutdown.yaml:3)",
    hint: "did you mean `grace`?",
  });
  expect(problems[4]?.message).toMatch(/^is missing: expected a duration .*\(safe-shutdown.yaml:7\)$/);
});

test.each([
  { secret: "in the file", yaml: "app: a\nredis: { url: redis://u:hunter2@h/0 }" },
  { secret: "of the queue", yaml: "app: a\nqueue: { url: redis://u:hun@ter2@h/0 }" },
  {
    secret: "of a rule",
    yaml: 'app: a\nredis: { prune: [{ keys: "x:*", olderThan: 1d, age: [idle], url: redis://u:hunter2@h/0 }] }',
  },
])("a password $secret works, is warned of and never shown", async ({ yaml }) => {
  const { origins, warnings } = await loadText(yaml);
  expect(warnings.filter(({ path }) => path.endsWith("url"))).toHaveLength(1);
  expect(JSON.stringify([origins, warnings])).not.toMatch(/hun|ter2/);
});

test.each([
  { secret: "in a URL that is none", yaml: "app: a\nredis: { url: 'redis:/u:hunter2@h' }" },
  { secret: "in a query", yaml: "app: a\nredis: { url: 'redis://h/0?password=hunter2' }" },
  { secret: "where a mapping belongs", yaml: "app: a\nredis: redis://u:hunter2@h" },
  { secret: "with blanks and slashes", yaml: "app: a\nredis: 'redis://u:hunter2 /x?y@h'" },
  { secret: "as a key", yaml: "app: a\nredis: { 'redis://u:hunter2@h': 1 }" },
  { secret: "in a name", yaml: "app: redis://u:hunter2@h" },
  { secret: "at a syntax error", yaml: "app: a\nredis: { url: redis://u:hunter2@h }}" },
  { secret: "behind a second document", yaml: "app: a\n--- redis://u:hunter2@h" },
  { secret: "as an alias", yaml: "app: *redis://u:hunter2@h" },
])("a password $secret is never shown in a problem", async ({ yaml }) => {
  const problems = await problemsOf(loadText(yaml));
  expect(problems.length).toBeGreaterThan(0);
  expect(JSON.stringify(problems)).not.toContain("hunter2");
});

test("a config that does nothing is warned of", async () => {
  expect((await loadText("app: a")).warnings).toMatchObject([{ path: "(top)" }]);
});
