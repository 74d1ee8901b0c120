import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeApp } from "../support/app.ts";
import { cliIn, reasonOf, reportOf, useApplication } from "../support/application.ts";
import { put } from "../support/hands.ts";
import { isAlive, spawnIdle } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";

/* /proc answers for a thread's number too, and a signal to it reaches its whole process. */

const WORKERS = `services: [{ name: workers, pidFiles: pids/worker.pid, matches: 'celery.*\\bworker\\b', grace: 2s }]`;

/** A number under which /proc shows a thread, not the process itself. */
function threadOf(pid: number): number {
  const thread = readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .find((id) => id !== pid);
  if (thread === undefined) throw new Error(`expected pid ${pid} to have more than one thread`);
  return thread;
}

test.each([
  { how: "asked", force: false },
  { how: "killed", force: true },
])("a process is not $how because a pid file holds the number of one of its threads", async ({ force }) => {
  const app = await makeApp(WORKERS);
  const other = await spawnIdle({ words: ["celery", "worker"] });
  const thread = threadOf(other.pid);
  put(app.root, "pids/worker.pid", `${thread}\n`, 0);

  const { lines } = await app.run("stop-services", { switches: { force } });

  expect(lines).toEqual([`pids/worker.pid: kept: ${thread} is no process, but a thread of pid ${other.pid}`]);
  expect(isAlive(other.pid)).toBe(true);
  expect(readFileSync(join(app.root, "pids/worker.pid"), "utf8")).toBe(`${thread}\n`);
});

test("a pid file with the number of a thread is no leftover to clean either", async () => {
  const app = await makeApp(`${WORKERS}\ntemp: [{ pidFiles: "pids/*.pid" }]`);
  const thread = threadOf((await spawnIdle()).pid);
  put(app.root, "pids/old.pid", `${thread}\n`);
  const { lines } = await app.run("clean-temp-files");
  expect(lines).toEqual([expect.stringMatching(/^pids\/old\.pid: kept: \d+ is no process, but a thread of/)]);
});

test("the maintenance worker does not stop itself when a pid file holds one of its own threads", async () => {
  const redis = await useRedis();
  const root = join(await useApplication(), "celery/worker"); // so its own command line looks like the service's
  put(root, "safe-shutdown.yaml", `app: scraper\n${WORKERS}`);
  const cli = cliIn(root, redis.url);
  const worker = cli.start(`worker --host here --root ${root}`);
  await worker.stderr.waitFor(/the maintenance worker is up/);
  const thread = threadOf(worker.pid);
  put(root, "pids/worker.pid", `${thread}\n`, 0);

  const report = reportOf(await cli.run("stop --yes --json --host here"));

  expect(report).toMatchObject({ engine: "queue", verdict: "done" });
  expect(reasonOf(report, "pids/worker.pid")).toBe(
    `${thread} is no process, but a thread of pid ${worker.pid}`,
  );
  expect(isAlive(worker.pid)).toBe(true);
  expect(worker.stderr.text).not.toMatch(/finish|stopp/); // what it says when it was sent SIGTERM
});
