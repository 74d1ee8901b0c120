import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { draftConfig } from "../../src/config/draft.ts";
import { handsOn, put } from "../support/hands.ts";
import { spawnIdle, spawnProcess } from "../support/processes.ts";
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
    "pids/celery_default.pid": "4194302",
    "pids/celery_media.pid": "4194303",
    "pids/flower.pid": "4194304",
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

describe("of what runs", () => {
  /** A Python program that does nothing, in the root, as an operator would start it. */
  async function startIn(root: string, script: string, pidFile?: string) {
    writeFileSync(join(root, script), 'print("ready", flush=True)\nimport time\ntime.sleep(600)\n');
    const { pid } = await spawnProcess({
      command: "python3",
      args: [script],
      cwd: root,
      readyLine: /^ready$/,
    });
    if (pidFile !== undefined) put(root, pidFile, `${pid}\n`, 0);
    return pid;
  }

  async function draftOf(root: string) {
    writeFileSync(join(root, "safe-shutdown.yaml"), await draftConfig(root));
    return load(root);
  }

  test.each([
    { service: "api", other: "migrate_api_db.py", isRunning: true },
    { service: "api", other: "migrate_api_db.py", isRunning: false },
    { service: "mailer", other: "import-mailer-list.py", isRunning: true },
    { service: "mailer", other: "import-mailer-list.py", isRunning: false },
    { service: "old", other: "old-thing.py", isRunning: false },
  ])("$other is no stray of $service, which ran when the draft was made: $isRunning", async (given) => {
    const root = rootWith({ [`pids/${given.service}.pid`]: "4194304" });
    if (given.isRunning) await startIn(root, `${given.service}.py`, `pids/${given.service}.pid`);
    const { config, warnings } = await draftOf(root);
    const pid = given.isRunning ? undefined : await startIn(root, `${given.service}.py`);
    await startIn(root, given.other);

    const [state] = await handsOn(root, { services: config.services }).processes.survey();

    expect(state?.pidFiles).toMatchObject([{ state: given.isRunning ? "running" : "gone" }]);
    expect(state?.strays.map((stray) => stray.pid)).toEqual(pid === undefined ? [] : [pid]);
    expect(warnings).toEqual([]);
  });

  test("the expression is made from the command line, and the file says so", async () => {
    const root = rootWith();
    await startIn(root, "serve.py", "pids/api.pid");
    const { config } = await draftOf(root);
    expect(config.services[0]?.matches.source).toBe(
      String.raw`^(\S*\/)?python[\d.]* (-\S+ )*(\S*\/)?serve\.py( |$)`,
    );
    expect(await draftConfig(root)).toContain("# matches what its pid file names now");
  });

  test("a worker that is none of Celery's is a service of its own; one that is, whatever its file, is Celery's", async () => {
    const root = rootWith();
    await startIn(root, "crawl.py", "pids/worker.pid");
    const { pid } = await spawnIdle({ cwd: root, words: ["celery", "-A", "app", "worker"] });
    put(root, "pids/tasks.pid", `${pid}\n`, 0);
    const { config } = await draftOf(root);
    expect(config.services.map(({ name, matches }) => [name, matches.source])).toEqual([
      ["tasks", "celery.*\\bworker\\b"],
      ["worker", expect.stringContaining("crawl")],
    ]);
  });

  test("a pid file that is older than its process says nothing of the service", async () => {
    const root = rootWith();
    const pid = await startIn(root, "migrate.py");
    put(root, "pids/api.pid", `${pid}\n`);
    expect((await draftOf(root)).config.services[0]?.matches.test("python3 migrate.py")).toBe(false);
  });
});
