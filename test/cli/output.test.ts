import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { cliIn, reportOf, useApplication, useSandbox } from "../support/application.ts";
import { CLI } from "../support/cli.ts";
import { sharedRedis, useRedis } from "../support/redis.ts";

/* What goes where: results to stdout, everything else to stderr, and never a password. */

const redis = sharedRedis();

test("off a terminal: the report on stdout, plain lines of progress on stderr, no control characters", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url, taskMs: 400, workers: 1 });

  const { code, stdout, stderr } = await cliIn(sandbox.root, redis.server().url).run("--yes");

  expect(code).toBe(0);
  expect(stderr).toContain(`stop-services: running, waiting for celery-workers (pid ${pids(sandbox)})`);
  expect(stderr).toMatch(/^stop-services: ended\n/m);
  expect(stdout).toMatch(/^telegram-ai-scraper on \S+: shutdown: done in /);
  expect(stdout + stderr).not.toMatch(/[^\P{Cc}\n]/u);
});

test("--quiet: nothing on stderr, the report all the same", async () => {
  const cli = cliIn(await useApplication({ "old.lock": { ageMs: 3_600_000 } }), redis.server().url);
  const { code, stdout, stderr } = await cli.run("clean --yes -q");
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("old.lock");
});

test("--verbose shows every item where otherwise the first dozen stands", async () => {
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`lib/m${n}.pyc`, {}]));
  const cli = cliIn(await useApplication(many));
  const [short, long] = [await cli.run("clean -n --inline"), await cli.run("clean -n --inline -v")];
  expect(short.stdout).toContain("18 more planned (-v shows them)");
  expect(long.stdout.match(/\.pyc$/gm)).toHaveLength(30);
});

test("names that hold control characters are shown escaped", async () => {
  const name = "evil\x1b[2J\nfake: done.lock";
  const root = await useApplication({ [name]: { ageMs: 3_600_000 } });
  const { stdout } = await cliIn(root).run("clean -n --inline");
  expect(stdout).toContain("evil\\x1b[2J\\x0afake: done.lock");
  expect(stdout).not.toContain("\x1b");
});

test.each(["--help", "check", "check --json"])("`%s | head -1` does not crash", async (words) => {
  const root = await useApplication();
  const script = `set -o pipefail; "$0" "$1" ${words} | head -1; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await promisify(execFile)("bash", ["-c", script, process.execPath, CLI], {
    cwd: root,
    env: { ...process.env, SAFE_SHUTDOWN_REDIS_URL: "redis://127.0.0.1:1/0" },
  });
  expect(stdout.trim().split("\n").at(-1)).toBe("0");
  expect(stderr).not.toMatch(/EPIPE|Error/);
});

describe("output that cannot be written", () => {
  test.each(["> /dev/full", "2> /dev/full", "> /dev/full 2>&1"])(
    "%s: the work is done all the same, and the exit code tells",
    async (where) => {
      const root = await useApplication({ "old.lock": { ageMs: 3_600_000 } });
      const words = ["-c", `"$0" "$1" clean --yes --inline ${where}`, process.execPath, CLI];
      const code = await promisify(execFile)("bash", words, {
        cwd: root,
        env: { ...process.env, SAFE_SHUTDOWN_REDIS_URL: "redis://127.0.0.1:1/0" },
      }).then(
        () => 0,
        (error: { code: number }) => error.code,
      );
      expect(code).toBe(1);
      expect(existsSync(join(root, "old.lock"))).toBe(false);
    },
  );
});

describe("--json prints exactly one document on stdout", () => {
  test("for every command that can be asked for it", async () => {
    const root = await useApplication({ "old.lock": { ageMs: 3_600_000 } });
    const cli = cliIn(root, redis.server().url);
    const { run } = reportOf(await cli.run("--yes --json"));
    const keys: Record<string, string[]> = {
      "stop --yes": ["version", "run", "flow", "mode", "engine", "app"],
      "clean --yes": ["version", "run", "flow", "mode", "engine", "app"],
      status: ["version", "app", "root", "host", "system", "workers"],
      runs: ["version", "going", "runs"],
      [`runs ${run}`]: ["version", "run", "flow", "mode", "engine", "app"],
      [`cancel ${run}`]: ["version", "error"],
      schedule: ["version", "schedule"],
      check: ["version", "app", "root", "file", "warnings", "settings"],
      init: ["version", "file"],
    };
    for (const [words, expected] of Object.entries(keys)) {
      const result = await cli.run(`${words} --json`);
      expect(Object.keys(result.json() as object).slice(0, 6), words).toEqual(expected.slice(0, 6));
    }
    expect(existsSync(join(root, "safe-shutdown.yaml"))).toBe(true);
  });

  test("also for the worker, once it is up", async () => {
    const worker = cliIn(await useApplication(), redis.server().url).start("worker --json");
    await worker.stdout.waitFor(/\}\n/);
    worker.signal("SIGTERM");
    expect((await worker.result).json()).toMatchObject({ version: 1, pid: worker.pid });
  });
});

describe("a password", () => {
  test("is not in `check`, whether it stands in the file, in the environment or in an option", async () => {
    const root = await useApplication(
      {},
      "app: secretive\nredis: { url: redis://me:s3cr3t-f@127.0.0.1:1/0 }\n",
    );
    for (const [words, env] of [
      ["check", { SAFE_SHUTDOWN_REDIS_URL: undefined }],
      ["check --json", { SAFE_SHUTDOWN_REDIS_URL: "redis://me:s3cr3t-e@127.0.0.1:1/0" }],
      ["check --redis redis://:s3cr3t-o@127.0.0.1:1/0", {}],
    ] as const) {
      const { code, stdout, stderr } = await cliIn(root).run(words, { env });
      expect(code).toBe(0);
      expect(stdout).toContain("***");
      expect(stdout + stderr).not.toContain("s3cr3t");
    }
  });

  test("is in no report, no log and no key of the queue", async () => {
    const server = await useRedis({ options: { requirepass: "s3cr3t" } });
    const url = server.url.replace("//", "//:s3cr3t@");
    const root = await useApplication({ "old.lock": { ageMs: 3_600_000 } });
    const cli = cliIn(root, url);

    for (const words of ["clean --yes --json -v", "status --json", "runs"]) {
      const { code, stdout, stderr } = await cli.run(words);
      expect(code).toBe(0);
      expect(stdout + stderr).not.toContain("s3cr3t");
    }
    const wrong = await cliIn(root, url.replace("s3cr3t", "s3cr3t-wrong")).run("runs -v");
    expect(wrong.code).toBe(75);
    expect(wrong.stdout + wrong.stderr).not.toContain("s3cr3t");
  });
});

describe("`init`", () => {
  test("writes a commented config that `check` accepts, for what is found", async () => {
    const sandbox = await useSandbox({ workers: 1 });
    const cli = cliIn(sandbox.root, redis.server().url);
    const init = await cli.run("init");
    expect(init.code).toBe(0);
    const text = readFileSync(join(sandbox.root, "safe-shutdown.yaml"), "utf8");
    expect(text).toMatch(/^# What safe-shutdown may stop/);
    expect(text).toMatch(/celery-beat[\s\S]*celery-workers/);
    const check = await cli.run("check");
    expect(check.code).toBe(0);
    expect(check.stdout).toMatch(/services\[0\]\.name: celery-beat +safe-shutdown.yaml:\d+/);
    const plan = reportOf(await cli.run("stop -n --json"));
    expect(plan.verdict).toBe("done");
  });

  test.each(["safe-shutdown.yaml", "safe-shutdown.json", "config/safe-shutdown.yml"])(
    "never overwrites a config, nor writes one beside %s",
    async (place) => {
      const root = await useApplication({
        [place]: { content: place.endsWith("json") ? '{"app":"x"}' : "app: x\n" },
      });
      const before = readFileSync(join(root, place), "utf8");

      const { code, stderr } = await cliIn(root).run("init");

      expect(code).toBe(4);
      expect(stderr).toContain(`there is a config already: ${place}`);
      expect(readFileSync(join(root, place), "utf8")).toBe(before);
      expect(existsSync(join(root, "safe-shutdown.yaml"))).toBe(place === "safe-shutdown.yaml");
    },
  );
});

test("`check` names the origin of each value, and the setting that the application's own config gives", async () => {
  const root = await useApplication({ "config/config.json": { content: '{"FETCH_INTERVAL_SECONDS": 60}' } });
  writeFileSync(join(root, "mine.yaml"), "app: mine\n");
  const cli = cliIn(root, redis.server().url);
  const { stdout } = await cli.run("check --host here");
  expect(stdout).toMatch(/^host: here +--host$/m);
  expect(stdout).toMatch(/^redis.url: redis:\S+ +SAFE_SHUTDOWN_REDIS_URL$/m);
  expect(stdout).toMatch(/olderThan: 2m +config\/config.json#\/FETCH_INTERVAL_SECONDS \(60 s × 2\)/);
  const named = await cli.run("check --config mine.yaml");
  expect(named.stdout).toMatch(/^app: mine +mine.yaml:1$/m);
  expect(named.stdout).toMatch(/Warnings\n.*there is nothing to stop and nothing to clean/);
});

function pids({ services }: Awaited<ReturnType<typeof useSandbox>>): string {
  return services
    .filter(({ service }) => service === "celery-workers")
    .flatMap(({ pid, pool }) => [pid, ...pool])
    .join(", ");
}
