import { expect, test } from "vitest";
import { LittleApp } from "../support/little-app.ts";
import { sharedRedis } from "../support/redis.ts";

const { server } = sharedRedis();

test("status --all-hosts is a table: who is alive, with which config, and who is not heard of any more", async () => {
  const app = new LittleApp({ redisUrl: server().url });
  const lost = await app.startWorker({ host: "lost" });
  lost.signal("SIGKILL");
  await lost.result;
  await app.forget(lost, "lost");
  const other = new LittleApp({ redisUrl: server().url, name: app.name, config: { nextSteps: ["else"] } });
  await (await other.open({ host: "other" })).application.startWorker();
  await (await app.open({ host: "here" })).application.startWorker();

  const { code, stdout } = await app.startCli(["status", "--all-hosts", "--host", "here"]).result;
  expect(code).toBe(0);
  const [head, ...rows] = stdout.trimEnd().split("\n");
  expect(head).toMatch(/^HOST +STATE +PID +VERSION +CONFIG +SINCE$/);
  expect(rows).toEqual([
    expect.stringMatching(/^here +alive +\d+ +\d+\.\d+\.\d+ +[0-9a-f]{12} +2\d{3}-/),
    expect.stringMatching(/^other +alive +\d+ +\d+\.\d+\.\d+ +[0-9a-f]{12} \(not as here\) +2\d{3}-/),
    expect.stringMatching(/^lost +unreachable +- +- +- +last seen 2\d{3}-/),
  ]);

  const { stdout: json } = await app.startCli(["status", "--all-hosts", "--json", "--host", "here"]).result;
  expect(JSON.parse(json)).toMatchObject({
    hosts: [{ host: "here" }, { host: "lost" }, { host: "other" }],
    workers: [{ host: "here" }, { host: "other" }],
    going: [],
  });
});

test("runs and status tell what goes on", async () => {
  const app = new LittleApp({ redisUrl: server().url });
  const service = await app.startService();
  await app.startWorker();
  const detached = await app.startCli(["stop", "--yes", "--detach", "--host", "here"]).result;
  const run = detached.stdout.trim();
  await service.wasAsked();
  const line = new RegExp(`2\\d{3}-\\S+  stop: going on  ${run}`);
  expect((await app.startCli(["runs", "--host", "here"]).result).stdout).toMatch(line);
  expect((await app.startCli(["status", "--host", "here"]).result).stdout).toMatch(line);
  service.letGo();
});

test("the report of several hosts says nothing of a host that was not reached but that it is unknown", async () => {
  const app = new LittleApp({ redisUrl: server().url });
  const words = ["stop", "--yes", "--hosts", "alpha,beta", "--host", "alpha"];
  const { code, stdout } = await app.startCli(words).result;
  expect(code).toBe(3);
  expect(stdout).toContain("Service   crawler: stopped on alpha; unknown on beta\n");
  expect(stdout).toContain("Locks     alpha: none\n");
  expect(stdout).toMatch(/^Disk {6}alpha: /m);
  const [run] = stdout.match(/run-[\w-]+/) ?? [];
  const { stdout: json } = await app.startCli(["runs", `${run}`, "--json", "--host", "alpha"]).result;
  expect(JSON.parse(json)).toMatchObject({
    unreachable: ["beta"],
    system: { services: [{ running: [], stoppedOn: ["alpha"], unknownOn: ["beta"] }], host: "alpha" },
  });
});
