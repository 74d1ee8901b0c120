import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { pruneRedis } from "../../jobs/prune-redis.ts";
import { type CliInRoot, cliIn, useSandbox } from "../support/application.ts";
import { terminalAvailable } from "../support/cli.ts";
import { diff, snapshot } from "../support/listing.ts";
import { isAlive, processesIn } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

/* Nothing is stopped or removed before somebody has said so. */

const redis = sharedRedis();

test("without a terminal and without --yes every destructive command refuses, names the flags, touches nothing", async () => {
  const { sandbox, cli, isUntouched } = await application();

  for (const words of ["", "shutdown", "stop", "clean", "clean prune-redis", "shutdown --json"]) {
    const { code, stdout, stderr } = await cli.run(words);
    expect(code, words).toBe(4);
    expect(stderr).toMatch(/asks before it acts.*no terminal.*--yes.*--force.*--dry-run/);
    expect(stdout === "" || words.includes("--json")).toBe(true);
  }

  await isUntouched();
  expect(await redis.client().exists(...sandbox.keys.removed)).toBe(sandbox.keys.removed.length);
});

describe.skipIf(!terminalAvailable())("on a terminal", () => {
  test("the question shows what was found; no: exit 4 and nothing is touched", async () => {
    const { sandbox, cli, isUntouched } = await application();

    const running = cli.start("", { tty: true });
    await running.stdout.waitFor(/Stop the services on \S+\?/);
    const shown = stripVTControlCharacters(running.stdout.text);
    for (const { service, pid } of sandbox.services)
      expect(shown).toMatch(new RegExp(`Service +${service}: running, pid [\\d, ]*\\b${pid}\\b`));
    expect(shown).toMatch(/Redis +preserved and reachable/);
    expect(shown).toMatch(/Session +telegram_session.session preserved, 3 days old/);
    expect(shown).toMatch(/Locks +5 left/);
    expect(shown).toContain(`telegram_session.lock  2h old, held by pid ${sandbox.lockHolder.pid} (flock)`);
    expect(shown).toContain("→ Stop the application's services, in order, without losing work.");
    running.type("n");

    expect((await running.result).code).toBe(4);
    expect(running.stdout.text).toContain("answered with no; nothing was touched");
    await isUntouched();
  });

  test.each([
    { words: "--hosts db-1 --keep-redis", place: "db-1", others: ["db-1"], showsThisHost: false },
    { words: "--hosts db-1,web-1", place: "db-1, web-1", others: ["db-1"], showsThisHost: true },
    { words: "--all-hosts", place: "web-1", others: [], showsThisHost: true },
  ])(
    "`$words` names the hosts, and shows only what is meant",
    async ({ words, place, others, showsThisHost }) => {
      const { cli, isUntouched } = await application();

      const running = cli.start(`${words} --host web-1`, { tty: true });
      await running.stdout.waitFor(/Stop the services on/);
      const shown = stripVTControlCharacters(running.stdout.text);
      expect(shown).toContain(`Stop the services on ${place}?`);
      expect([...shown.matchAll(/On (\S+): its services are stopped/g)].map(([, host]) => host)).toEqual(
        others,
      );
      expect(/Service +\S+: running/.test(shown)).toBe(showsThisHost);
      expect(shown.includes(`→ ${pruneRedis.summary}`)).toBe(!words.includes("--keep-redis"));
      running.type("n");

      expect((await running.result).code).toBe(4);
      await isUntouched();
    },
  );

  test("Enter alone is a no", async () => {
    const { cli, isUntouched } = await application();
    const running = cli.start("clean", { tty: true });
    await running.stdout.waitFor(/Clean up on \S+\?/);
    running.type("\r");
    expect((await running.result).code).toBe(4);
    await isUntouched();
  });

  test("Ctrl-C at the question: exit 130 and nothing is touched", async () => {
    const { cli, isUntouched } = await application();
    const running = cli.start("stop", { tty: true });
    await running.stdout.waitFor(/Stop the services on \S+\?/);
    running.type("\x03");
    expect((await running.result).code).toBe(130);
    expect(running.stdout.text).toContain("interrupted; nothing was touched");
    await isUntouched();
  });

  test("yes: it is done, with rows that move while it goes on, in colour", async () => {
    const { sandbox, cli } = await application(900);
    const running = cli.start("", { tty: true });
    await running.stdout.waitFor(/Stop the services on \S+\?/);
    running.type("y");
    // a moving row: the cursor goes up over the rows before, and the wait is told with its seconds
    await running.stdout.waitFor(/\p{Cc}\[\d+A\p{Cc}\[0J/u);
    await running.stdout.waitFor(/stop-services .*running.*waiting for celery-workers \(pid/);

    expect((await running.result).code).toBe(0);
    expect(running.stdout.text).toContain("\x1b[32mdone\x1b[39m");
    expect(sandbox.services.map(({ pid }) => pid).filter(isAlive)).toEqual([]);
    expect(stripVTControlCharacters(running.stdout.text)).toMatch(/shutdown: done in /);
  });

  test("--yes and --force do not ask", async () => {
    for (const how of ["--yes", "--force"]) {
      const { cli } = await application();
      const { code, stdout } = await cli.start(`stop ${how}`, { tty: true }).result;
      expect(code).toBe(0);
      expect(stdout).not.toContain("?");
    }
  });

  test.each([
    { how: "--no-color", env: {} },
    { how: "", env: { NO_COLOR: "1" } },
    { how: "", env: { TERM: "dumb" } },
  ])("no colour with `$how` and $env", async ({ how, env }) => {
    const { cli } = await application();
    const { code, stdout } = await cli.start(`-n --inline ${how}`, { tty: true, env }).result;
    expect(code).toBe(0);
    expect(stdout).toContain("shutdown, dry run");
    expect(stdout).not.toMatch(/\p{Cc}\[[\d;]*m/u);
  });
});

/** The sandbox, and a way to tell that nothing in it was touched. */
async function application(taskMs = 100) {
  const sandbox = await useSandbox({ redisUrl: redis.server().url, workers: 1, taskMs });
  const before = { files: snapshot(sandbox.root), processes: processesIn(sandbox.root) };
  const keysNow = async () => (await redis.client().keys("*")).filter((key) => !isOurOwn(key)).sort();
  const keys = await keysNow();
  const cli: CliInRoot = cliIn(sandbox.root, redis.server().url);
  const isUntouched = async () => {
    expect(diff(before.files, snapshot(sandbox.root))).toEqual({ added: [], removed: [], changed: [] });
    expect(processesIn(sandbox.root)).toEqual(before.processes);
    expect(await keysNow()).toEqual(keys);
  };
  return { sandbox, cli, isUntouched };
}

/** What asking the queue who is there leaves in it. */
function isOurOwn(key: string): boolean {
  return key.startsWith("{safe-shutdown-");
}
