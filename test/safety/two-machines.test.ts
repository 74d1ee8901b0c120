import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { LittleApp } from "../support/little-app.ts";
import { sharedRedis } from "../support/redis.ts";

const { server } = sharedRedis();

/** The heartbeat of a worker on another machine that has the same host name, and looks after the same path. */
async function plantNamesake(app: LittleApp, machine: string): Promise<void> {
  const name = "here:4242:abcdef";
  const worker = {
    ...{
      host: "here",
      pid: 4242,
      id: "abcdef",
      version: "0.0.0",
      fingerprint: "0123456789ab",
      root: app.root,
    },
    ...{ machine, since: new Date().toISOString(), isCommand: false },
  };
  await app.redis.set(app.key("worker", name), JSON.stringify(worker), "PX", 15_000);
  await app.redis.zadd(app.key("workers"), Date.now(), name);
}

test.each(["worker", "clean --yes"])("%s is refused beside a machine of the same name", async (words) => {
  const app = new LittleApp({ redisUrl: server().url });
  const beat = () => plantNamesake(app, "b7c1d1f0-0000-0000-0000-000000000000");
  await beat();
  const beating = setInterval(beat, 5_000);
  onTestFinished(() => clearInterval(beating));
  const { code, stderr } = await app.startCli([...words.split(" "), "--host", "here"]).result;
  expect(stderr).toContain(
    `a worker of ${app.name} on another machine (pid 4242) calls itself here too: give each machine a name of its own with --host`,
  );
  expect(code).toBe(4);
  expect(existsSync(join(app.root, "stale.lock"))).toBe(true);
});

test("what was left behind by the boot before is waited for", async () => {
  const app = new LittleApp({ redisUrl: server().url });
  await plantNamesake(app, "b7c1d1f0-0000-0000-0000-000000000000");
  const worker = app.startCli(["worker", "--host", "here"]);
  await worker.stderr.waitFor(/another worker was here: looking again/);
  await worker.stderr.waitFor(/the maintenance worker is up/, 25_000);
  worker.signal("SIGTERM");
  expect(await worker.result).toMatchObject({ code: 0 });
});

test("a worker of an older version, which does not tell its machine, is taken for what it was", async () => {
  const app = new LittleApp({ redisUrl: server().url });
  await plantNamesake(app, "");
  const { application } = await app.open();
  await expect(application.startWorker()).resolves.toBeDefined();
});
