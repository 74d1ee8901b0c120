import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { addOptions } from "../../src/cli/options.ts";
import { cliIn, IGNORES_SIGTERM, useApplication, useService } from "../support/application.ts";
import { isAlive } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

/* How the command line is spoken to, and every exit code by a real case. 75 is in without-redis, 130 in interrupt. */

const redis = sharedRedis();
const program = new Command();
addOptions(program);

describe("exit 2, wrong usage", () => {
  test.each([
    { words: "--dry-rum", says: /unknown option '--dry-rum'\n\(Did you mean --dry-run\?\)/ },
    { words: "statsu", says: /there is no command "statsu"\. Did you mean status\?/ },
    { words: "frobnicate --yes", says: /there is no command "frobnicate"\. See safe-shutdown --help/ },
    { words: "clean prune-reds --yes", says: /got "prune-reds"; did you mean prune-redis\?/ },
    {
      words: "clean stop-services --yes",
      says: /expected one of clean-session-locks, prune-redis, clean-temp-files/,
    },
    {
      words: "status --force",
      says: /`safe-shutdown status` takes no --force; see safe-shutdown status --help/,
    },
    { words: "init --redis redis://h:1 --yes", says: /takes no --yes, --redis/ },
    { words: "runs --detach", says: /takes no --detach/ },
    { words: "status now", says: /too many arguments for 'status'/ },
    { words: "cancel", says: /missing required argument 'id'/ },
    { words: "--root", says: /argument missing/ },
    { words: "--yes --hosts a --all-hosts", says: /--hosts and --all-hosts exclude each other/ },
    { words: "--yes --inline --detach", says: /--inline and --detach exclude each other/ },
    { words: "--yes --hosts a,;b", says: /--hosts: expected host names separated by commas, got ";b"/ },
    { words: "runs run-unknown", says: /no run "run-unknown" is known/ },
  ])("`$words`", async ({ words, says }) => {
    const result = await cliIn(await useApplication(), redis.server().url).run(`--json ${words}`);
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(says);
    expect(result.json()).toEqual({
      version: 1,
      error: { code: "usage", message: expect.any(String), problems: [] },
    });
  });
});

test("exit 3, partial: a service ignores SIGTERM and is left alone as configured; `stop` too", async () => {
  const service = `{ name: stubborn, pidFiles: "pids/*.pid", matches: \\bstubborn\\b, grace: 200ms, afterGrace: leave }`;
  const root = await useApplication({}, `app: stubborn\nservices:\n  - ${service}\n`);
  const { pid } = await useService(root, "pids/app.pid", ["stubborn"], IGNORES_SIGTERM);

  const { code, stdout } = await cliIn(root, redis.server().url).run("stop --yes");

  expect(code).toBe(3);
  expect(stdout).toContain(`pids/app.pid  pid ${pid} is still running`);
  expect(isAlive(pid)).toBe(true);
});

test("exit 0 where the same service may be killed after the grace, and the report says so", async () => {
  const service = `{ name: stubborn, pidFiles: "pids/*.pid", matches: \\bstubborn\\b, grace: 200ms }`;
  const root = await useApplication({}, `app: stubborn\nservices:\n  - ${service}\n`);
  const { pid } = await useService(root, "pids/app.pid", ["stubborn"], IGNORES_SIGTERM);

  const { code, stdout } = await cliIn(root, redis.server().url).run("stop --yes");

  expect(code).toBe(0);
  expect(stdout).toContain("still running after 200ms, killed (1 process)");
  expect(isAlive(pid)).toBe(false);
});

describe("exit 4, refused by a safety rule", () => {
  test.each(["--yes", "status", "-n", "init", "check"])("`%s --root /`", async (words) => {
    const { code, stderr } = await cliIn("/").run(`${words} --root /`);
    expect(code).toBe(4);
    expect(stderr).toContain('refusing to work in "/": it is the root of the file system');
  });

  test("the home directory, also as the current one", async () => {
    const root = await useApplication();
    const { code, stderr } = await cliIn(root).run("--force", { env: { HOME: root } });
    expect(code).toBe(4);
    expect(stderr).toContain("it is a home directory. Name the application's own directory with --root.");
  });

  test("a limit on files that is reached stops the job and the run says refused", async () => {
    const config = `app: limited\ntemp: [{ files: "*.tmp" }]\nlimits: { files: 2 }\n`;
    const root = await useApplication({ "a.tmp": {}, "b.tmp": {}, "c.tmp": {} }, config);
    const { code, stdout } = await cliIn(root, redis.server().url).run("clean --yes");
    expect(code).toBe(4);
    expect(stdout).toMatch(/clean: refused in .*\n[\s\S]*limits\.files.* is reached: 2 files were removed/);
  });
});

test("exit 78: every problem of the config at once, with path and hint, for every command alike", async () => {
  const root = await useApplication({}, BROKEN);
  const cli = cliIn(root, redis.server().url);

  const result = await cli.run("check --json");

  expect(result.code).toBe(78);
  const { error } = result.json() as { error: { code: string; problems: { path: string; hint?: string }[] } };
  expect(error.code).toBe("config-invalid");
  expect(error.problems.map(({ path }) => path)).toEqual([
    expect.stringContaining("services[0].grace"),
    expect.stringContaining("services[0]"),
    expect.stringContaining("redis.prune[0].keys"),
    expect.stringContaining("temp[0]"),
  ]);
  expect(result.stderr).toContain("the config (safe-shutdown.yaml) has 4 problems");
  expect(result.stderr).toMatch(/Did you mean|did you mean/);
  for (const words of ["--yes", "status"]) expect((await cli.run(words)).code, words).toBe(78);
});

test("exit 78: a config file that is named and missing", async () => {
  const { code, stderr } = await cliIn(await useApplication()).run("status --config elsewhere.yaml");
  expect(code).toBe(78);
  expect(stderr).toContain("expected a config file, found nothing");
});

test("options may stand before and after the command, and mean the same", async () => {
  const root = await useApplication({ "old.lock": { ageMs: 3_600_000 } });
  const cli = cliIn(root, redis.server().url);
  const before = await cli.run("--json -n --inline --host here clean");
  const after = await cli.run("clean -n --json --host here --inline");
  expect([before.code, after.code]).toEqual([0, 0]);
  const strip = (text: string) =>
    text
      .replaceAll(/"(run|startedAt|durationMs|worstPageMs|keysPerSecond|usedMemoryBytes)": .*/g, "")
      .replaceAll(/1h[^"]* old/g, "");
  expect(strip(after.stdout)).toBe(strip(before.stdout));
});

test("-V and --version say the version of the package, and nothing else", async () => {
  const { default: manifest } = await import("../../package.json", { with: { type: "json" } });
  for (const words of ["-V", "--version", "status -V"]) {
    const { code, stdout } = await cliIn("/").run(words);
    expect([code, stdout], words).toEqual([0, `${manifest.version}\n`]);
  }
});

test("--help names every command and every option", async () => {
  const { code, stdout } = await cliIn("/").run("--help");
  expect(code).toBe(0);
  for (const [name, { summary }] of Object.entries(commands)) {
    expect(stdout).toMatch(new RegExp(`^ +${name}\\b`, "m"));
    expect(stdout.replaceAll(/\s+/g, " ")).toContain(summary);
  }
  for (const { flags } of program.options) expect(stdout).toContain(flags);
});

test.each(Object.entries(commands))(
  "`%s --help` names its own options and no others",
  async (name, entry) => {
    const { code, stdout } = await cliIn("/").run(`${name} --help`);
    expect(code).toBe(0);
    const shown = [...stdout.matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag]) => flag);
    const taken = program.options.filter((option) =>
      entry.takes.some((one) => one === option.attributeName()),
    );
    expect(shown.sort()).toEqual(["--help", ...taken.map(({ long }) => long)].sort());
  },
);

const BROKEN = `app: broken
services:
  - { name: web, pidFiles: pids/web.pid, matches: \\bweb\\b, grace: soon, afterGrase: leave }
redis:
  prune: [{ keys: "unacked*", olderThan: 1h, age: [idle] }]
temp: [{ files: "*" }]
`;
