import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { draftConfig } from "../../src/config/draft.ts";
import { load, rootWith } from "./workshop.ts";

/** Drafts a config for these files, writes it and loads it. */
async function drafted(files: Record<string, string>) {
  const root = rootWith(files);
  const text = await draftConfig(root);
  writeFileSync(join(root, "safe-shutdown.yaml"), text);
  return { text, ...(await load(root)) };
}

test("for the scraper it finds what the built-in policy knows", async () => {
  const { config, text, origins } = await drafted({
    "pyproject.toml": '[build-system]\nname = "no"\n\n[project]\nversion = "1"\nname = "my scraper!"\n',
    "pids/celery_beat.pid": "1",
    "pids/celery_default.pid": "2",
    "pids/celery_media.pid": "3",
    "pids/flower.pid": "4",
    "telegram_session.session": "",
    "telegram.lock": "",
    "poetry.lock": "",
    "logs/app.log": "",
    "logs/app.log.1": "",
    "logs/celerybeat-schedule.db": "",
    "src/main.py": "",
    "config/config.json": '{"TELEGRAM_CONFIG": {"FETCH_INTERVAL_SECONDS": 300}}',
  });
  expect(text).toContain("# Stopped in this order.");
  expect(config.app).toBe("my-scraper-");
  expect(config.services.map(({ name, pidFiles }) => [name, pidFiles])).toEqual([
    ["celery-beat", ["pids/celery_beat.pid"]],
    ["flower", ["pids/flower.pid"]],
    ["celery-workers", ["pids/celery_*.pid"]],
  ]);
  expect(config.locks).toMatchObject([{ patterns: ["*.lock"], olderThanMs: 300_000 }]);
  expect(config.session?.file).toBe("telegram_session.session");
  expect(config.redis.prune[0]).toMatchObject({ keys: "celery-task-meta-*", olderThanMs: 600_000 });
  expect(origins.find(({ path }) => path === "redis.prune[0].olderThan")?.origin).toContain("(300 s × 2)");
  expect(config.temp).toContainEqual({ kind: "pidFiles", patterns: ["pids/flower.pid"] });
  expect(config.temp).toContainEqual(
    expect.objectContaining({ patterns: ["logs/celerybeat-schedule.db"], unlessRunning: "celery-beat" }),
  );
  expect(config.temp).toContainEqual(
    expect.objectContaining({ patterns: ["logs/*.log.*"], olderThanMs: 604_800_000 }),
  );
});

test("for an empty directory it is valid and does nothing", async () => {
  const { config } = await drafted({});
  expect([config.services, config.locks, config.temp, config.redis.prune]).toEqual([[], [], [], []]);
});

test.each([
  { named: "with quotes, blanks and brackets", file: `pids/my "odd" [x] {y}.pid` },
  { named: "like an expression", file: "pids/c++ (a|b)*.pid" },
  { named: "with a line break", file: "pids/a\nb: c.pid" },
  { named: "with a tab and a backslash", file: "pids/a\t\\b.pid" },
  { named: "with nothing but numbers", file: "pids/123.pid" },
  { named: "with nothing", file: "pids/.pid" },
  { named: "as a comment", file: "pids/# x.pid" },
  { named: "in other letters", file: "pids/служба.pid" },
])("a pid file named $named makes a valid config", async ({ file }) => {
  const { config } = await drafted({ [file]: "1" });
  expect(config.services).toHaveLength(1);
});

test("lock files of package managers are no session locks", async () => {
  const { config } = await drafted({ "poetry.lock": "", "web/yarn.lock": "" });
  expect(config.locks).toEqual([]);
});

test("pid files of one program in several directories are one service", async () => {
  const { config } = await drafted({
    "a/gunicorn-1.pid": "",
    "a/gunicorn-2.pid": "",
    "b/gunicorn.pid": "",
    "run/web.pid": "",
  });
  expect(config.services.map(({ name, pidFiles }) => [name, pidFiles])).toEqual([
    ["gunicorn", ["a/gunicorn-*.pid", "b/gunicorn.pid"]],
    ["web", ["run/web.pid"]],
  ]);
});

test.each([
  { name: "@scope/pkg", app: "scope-pkg" },
  { name: "x".repeat(80), app: "x".repeat(63) },
  { name: "…", app: "my-app" },
])("the name $name becomes $app", async ({ name, app }) => {
  expect((await drafted({ "package.json": JSON.stringify({ name }) })).config.app).toBe(app);
});

test("broken and odd files are no obstacle", async () => {
  const { config } = await drafted({
    "package.json": "{",
    "config/config.json": "[1",
    "a.session": "",
    "x [1]/b.lock": "",
  });
  expect(config.locks[0]?.patterns).toEqual(["x \\[1\\]/*.lock", "*.lock"]);
});
