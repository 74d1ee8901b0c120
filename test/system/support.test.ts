import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createSandbox } from "../../demo/sandbox.ts";
import { CeleryApp, celeryAvailable } from "../support/celery.ts";
import { runCli, startCli, terminalAvailable } from "../support/cli.ts";
import { diff, snapshot } from "../support/listing.ts";
import { ended, isAlive, processesIn, spawnIdle, waitUntil } from "../support/processes.ts";
import { startPrivateRedis, useClient, useRedis } from "../support/redis.ts";
import { temporaryDirectory } from "../support/temp.ts";

/* What the other tests stand on: were this not so, they would prove nothing. */

describe("the private Redis", () => {
  test("is on a port of its own and is gone after stop, with its directory", async () => {
    const redis = await startPrivateRedis();
    const pid = redis.pid() ?? 0;
    expect(redis.port).not.toBe(6379);
    expect(isAlive(pid)).toBe(true);

    await redis.stop();

    expect(isAlive(pid)).toBe(false);
    expect(existsSync(redis.directory)).toBe(false);
  });

  test("comes back on the same port with its append-only file after a crash", async () => {
    const redis = await useRedis({ options: { appendonly: "yes", appendfsync: "always" } });
    const client = useClient(redis.url);
    await client.set("kept", "yes");
    const pid = redis.pid();

    await redis.kill();
    await redis.start();

    expect(redis.pid()).not.toBe(pid);
    expect(await client.get("kept")).toBe("yes");
  });

  test("listens on a socket when asked", async () => {
    const redis = await useRedis({ unixSocket: true });
    expect(await useClient(redis.socket ?? "").ping()).toBe("PONG");
  });

  test("says what redis-server said when it cannot start", async () => {
    await expect(startPrivateRedis({ options: { nonsense: "1" } })).rejects.toThrow(/nonsense/i);
  });
});

describe("the sandbox", () => {
  test("has every file in exactly one list, is all alive, and leaves nothing behind", async () => {
    const directory = join(temporaryDirectory(), "scraper");
    const redis = await useRedis();
    const sandbox = await createSandbox({ directory, redisUrl: redis.url });
    try {
      const { removed, kept, growing, undecided } = sandbox.files;
      const listed = [...removed, ...kept, ...growing, ...undecided];
      const files = [...snapshot(sandbox.root)].filter(([, entry]) => entry.type === "file");
      expect(listed.filter((path) => !path.endsWith("__pycache__")).sort()).toEqual(
        files.map(([path]) => path).sort(),
      );
      const keys = [...sandbox.keys.removed, ...sandbox.keys.kept];
      expect((await useClient(redis.url).keys("*")).sort()).toEqual(keys.sort());
      for (const { pid, pidFile } of sandbox.services) {
        expect(isAlive(pid)).toBe(true);
        expect(readFileSync(join(sandbox.root, pidFile), "utf8")).toBe(`${pid}\n`);
      }
    } finally {
      await sandbox.dispose();
    }
    expect(processesIn(sandbox.root)).toEqual([]);
    expect(existsSync(directory)).toBe(false);
  });

  test("has workers that finish the task at hand on SIGTERM, and their pool children end", async () => {
    const sandbox = await createSandbox({ directory: temporaryDirectory(), taskMs: 300 });
    try {
      const [worker] = sandbox.services.filter(({ service }) => service === "celery-workers");
      if (!worker) throw new Error("expected a worker");

      process.kill(worker.pid, "SIGTERM");
      await ended(worker.child);

      expect(worker.child.exitCode).toBe(0);
      expect(worker.pool.filter(isAlive)).toEqual([]);
      expect(existsSync(join(sandbox.root, worker.pidFile))).toBe(false);
      const log = readFileSync(join(sandbox.root, "logs/celery_worker1.log"), "utf8");
      expect(log.match(/succeeded/g)).toHaveLength(2);
    } finally {
      await sandbox.dispose();
    }
  });

  test("has pool children that outlive a main process that was killed, and ends them with itself", async () => {
    const sandbox = await createSandbox({ directory: temporaryDirectory() });
    const [worker] = sandbox.services.filter(({ service }) => service === "celery-workers");
    if (!worker) throw new Error("expected a worker");
    process.kill(worker.pid, "SIGKILL");
    await ended(worker.child);
    expect(worker.pool.filter(isAlive)).toHaveLength(2);

    await sandbox.dispose();

    expect(worker.pool.filter(isAlive)).toEqual([]);
  });
});

test("a listing tells what came, what went and what changed", () => {
  const root = temporaryDirectory();
  writeFileSync(join(root, "stays"), "same");
  writeFileSync(join(root, "grows"), "a");
  const before = snapshot(root);
  expect(diff(before, snapshot(root))).toEqual({ added: [], removed: [], changed: [] });

  writeFileSync(join(root, "grows"), "ab");
  writeFileSync(join(root, "new"), "");
  const { added, removed, changed } = diff(before, snapshot(root));

  expect({ added, removed }).toEqual({ added: ["new"], removed: [] });
  expect(changed.map((line) => line.split(":")[0])).toEqual([".", "grows"]);
  expect(readdirSync(root)).toHaveLength(3);
});

describe("the program", () => {
  test("can be run to its end and its output read", async () => {
    const { code, stdout, stderr } = await runCli(["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("--dry-run");
  });

  test.skipIf(!terminalAvailable())("can be run on a terminal, with its exit code", async () => {
    const running = startCli(["--help"], { tty: true });
    await running.stdout.waitFor(/--dry-run/);
    expect((await running.result).code).toBe(0);
  });
});

test("an idle process can be found by its directory and told from a dead one", async () => {
  const root = temporaryDirectory();
  const { pid, child } = await spawnIdle({ cwd: root, words: ["celery", "worker"] });
  expect(processesIn(root)).toEqual([pid]);
  child.kill("SIGKILL");
  await ended(child);
  expect(isAlive(pid)).toBe(false);
});

describe.skipIf(!celeryAvailable())("a real Celery", () => {
  test("runs two tasks, keeps a pid file while it is up, and ends on SIGTERM with beat beside it", async () => {
    const root = temporaryDirectory();
    const redis = await useRedis();
    const app = new CeleryApp({ root, redisUrl: redis.url });
    await app.startBeat();
    await app.startWorker();
    await app.startFlower();
    const submitted = await app.submit(2);
    await app.hasStarted(2);
    const pidOf = (name: string) => Number(readFileSync(join(root, `pids/${name}.pid`), "utf8"));
    expect(processesIn(root)).toHaveLength(5); // worker, its 2 children, beat, Flower

    process.kill(pidOf("celery_worker"), "SIGTERM");
    process.kill(pidOf("celery_beat"), "SIGTERM");
    process.kill(pidOf("flower"), "SIGTERM");
    await waitUntil(() => processesIn(root).length === 0, "Celery to end");

    expect((await app.finished()).sort()).toEqual(submitted.sort());
    expect((await app.started()).sort()).toEqual(submitted);
    expect(await app.queued()).toEqual([]);
    expect(await app.unacknowledged()).toEqual([]);
    expect((await app.stopped()).sort()).toEqual(["beat", "worker"]);
    expect(readdirSync(join(root, "pids"))).toEqual(["flower.pid"]);
  });
});
