import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeApp } from "../support/app.ts";
import { cliIn, reportOf, targetsOf, useApplication } from "../support/application.ts";
import { put } from "../support/hands.ts";
import { isAlive, spawnIdle, spawnProcess, waitUntil } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";

const workers = (more = "strays: report") =>
  `services: [{ name: workers, pidFiles: pids/worker.pid, matches: 'celery.*\\bworker\\b', grace: 5s, ${more} }]`;

test.each([
  {
    bystander: "a shell with the words in its script",
    command: "bash",
    args: ["-c", "echo ready; read -r _ < wait; : celery -A app worker"],
  },
  {
    bystander: "a `tail` on a log of that name",
    command: "tail",
    args: ["-f", "celery_app/worker.log"],
  },
  {
    bystander: "a `timeout` around something else, with the words in an argument",
    command: "timeout",
    args: ["600", "tail", "-f", "celery_app/worker.log"],
  },
])("$bystander is no stray, --force or not", async ({ command, args }) => {
  const app = await makeApp(workers("strays: stop"));
  put(app.root, "celery_app/worker.log", "ready\n");
  await spawnProcess({ command: "mkfifo", args: ["wait"], cwd: app.root });
  await waitUntil(() => existsSync(join(app.root, "wait")), "the FIFO");
  const { pid } = await spawnProcess({ command, args, cwd: app.root, readyLine: /ready/ });

  for (const force of [false, true]) {
    const { lines, report } = await app.run("stop-services", { switches: { force } });
    expect(lines).toEqual([]);
    expect(report.status).toBe("done");
  }
  expect(isAlive(pid)).toBe(true);
});

test("a true stray beside them is stopped with --force", async () => {
  const app = await makeApp(workers());
  put(app.root, "celery_app/worker.log", "ready\n");
  const tail = await spawnProcess({
    command: "tail",
    args: ["-f", "celery_app/worker.log"],
    cwd: app.root,
    readyLine: /ready/,
  });
  const stray = await spawnIdle({ cwd: app.root, words: ["celery", "-A", "app", "worker"] });

  const { lines } = await app.run("stop-services", { switches: { force: true } });

  expect(lines).toEqual([expect.stringMatching(`^workers \\(pid ${stray.pid}\\): done: killed`)]);
  expect([isAlive(stray.pid), isAlive(tail.pid)]).toEqual([false, true]);
});

test("a stray's children, which bear its command line, are not asked one by one", async () => {
  const app = await makeApp(workers("strays: stop"));
  const noting = (name: string) =>
    `process.on("SIGTERM", () => { require("fs").appendFileSync("signals.log", "${name}\\n"); process.exit(0); });`;
  const pool = put(
    app.root,
    "pool.cjs",
    `${noting("pool")} console.log("up"); setTimeout(() => {}, 600_000);`,
  );
  const { pid } = await spawnIdle({
    cwd: app.root,
    words: ["celery", "worker"],
    program: `${noting("main")}
      const pool = require("child_process").spawn(process.execPath, [${JSON.stringify(pool)}, "celery", "worker"],
        { stdio: ["ignore", "pipe", "ignore"] });
      pool.stdout.once("data", () => require("fs").writeFileSync("pool.pid", String(pool.pid)));
      process.on("exit", () => pool.kill("SIGKILL"))`,
  });
  const poolPid = () =>
    Number(existsSync(join(app.root, "pool.pid")) && readFileSync(join(app.root, "pool.pid")));
  await waitUntil(() => poolPid() > 0, "the pool");

  const { lines } = await app.run("stop-services");

  expect(lines).toEqual([expect.stringMatching(`^workers \\(pid ${pid}\\): done: stopped`)]);
  expect(readFileSync(join(app.root, "signals.log"), "utf8")).toBe("main\n");
  expect([isAlive(pid), isAlive(poolPid())]).toEqual([false, false]);
});

test("nor is the maintenance worker, whose own command line looks like the service's, stopped as a stray", async () => {
  const redis = await useRedis();
  const root = join(await useApplication(), "celery-app");
  put(root, "safe-shutdown.yaml", `app: scraper\n${workers()}`);
  const cli = cliIn(root, redis.url);
  const worker = cli.start(`--root ${root} worker --host here`);
  await worker.stderr.waitFor(/the maintenance worker is up/);

  const result = await cli.run("stop --force --inline --json");

  expect([reportOf(result).verdict, targetsOf(reportOf(result), "done")]).toEqual(["done", []]);
  expect(isAlive(worker.pid)).toBe(true);
});
