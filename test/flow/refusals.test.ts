import { describe, expect, test } from "vitest";
import { Refusals } from "../../src/flow/refusals.ts";
import { systemClock } from "../../src/system/clock.ts";
import { hurried } from "../support/hurried.ts";
import { LittleApp } from "../support/little-app.ts";
import { waitUntil } from "../support/processes.ts";
import { useClient, useRedis } from "../support/redis.ts";

/** A clock that goes as fast as it is slept on; nobody waits. */
function fastClock() {
  const clock = {
    nowMs: 0,
    now: () => clock.nowMs,
    elapsed: () => clock.nowMs,
    sleep: async (ms: number) => {
      clock.nowMs += ms;
    },
    breathe: async () => {},
  };
  return clock;
}

describe("a worker that Redis refuses", () => {
  test.each([
    { error: "NOPERM User w has no permissions", is: true },
    { error: "READONLY You can't write against a read only replica.", is: true },
    { error: "OOM command not allowed when used memory > 'maxmemory'.", is: true },
    { error: "WRONGPASS invalid username-password pair", is: true },
    { error: "BUSY Redis is busy running a script. You can only call SCRIPT KILL", is: true },
    { error: "connect ECONNREFUSED 127.0.0.1:1", is: false },
    { error: "Connection is closed.", is: false },
  ])("rests: $error: $is", ({ error, is }) => {
    const said: string[] = [];
    const clock = { ...fastClock(), sleep: () => new Promise<void>(() => {}) };
    const refusals = new Refusals({
      clock,
      log: { info: () => {}, warn: (_facts, message) => void said.push(message) },
      ...{ rest: () => said.push("rest"), resume: () => said.push("resume"), giveUp: () => {} },
    });
    expect(refusals.note(new Error(error))).toBe(is);
    expect(refusals.note(new Error(error))).toBe(is); // told once while it rests
    expect(said).toEqual(is ? ["rest", "Redis refuses: no job is taken for a while"] : []);
  });

  test("rests longer each time, and gives up after five minutes with a last word", async () => {
    const clock = fastClock();
    const rests: number[] = [];
    const lastWord = await new Promise<string>((giveUp) => {
      const again = () => queueMicrotask(() => refusals.note(new Error("NOPERM no")));
      const log = {
        info: () => {},
        warn: (facts: object) => void rests.push((facts as { restMs: number }).restMs),
      };
      const refusals = new Refusals({ clock, log, giveUp, rest: () => {}, resume: again });
      refusals.note(new Error("NOPERM no"));
    });
    expect(rests.slice(0, 7)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(rests.length).toBeLessThan(20);
    expect(lastWord).toMatch(/^Redis has refused for 5m( \d+s)?: NOPERM no$/);
  });

  test("begins anew when it was left in peace for a while", async () => {
    const clock = fastClock();
    const rests: number[] = [];
    let resumed = () => {};
    const log = {
      info: () => {},
      warn: (facts: object) => void rests.push((facts as { restMs: number }).restMs),
    };
    const options = { clock, log, giveUp: () => {}, rest: () => {}, resume: () => resumed() };
    const refusals = new Refusals(options);
    const refuse = () =>
      new Promise<void>((resolve) => {
        resumed = resolve;
        refusals.note(new Error("OOM full"));
      });
    await refuse();
    await refuse();
    clock.nowMs += 11_000;
    await refuse();
    expect(rests).toEqual([1_000, 2_000, 1_000]);
  });
});

test("a run is followed through a Redis that is busy with somebody's script", async () => {
  const redis = await useRedis();
  const app = new LittleApp({ redisUrl: redis.url });
  const service = await app.startService();
  const { application } = await app.open();
  const admin = useClient(redis.url);
  await admin.config("SET", "busy-reply-threshold", "50");
  const run = await application.start("stop");
  const reporting = run.report();
  await service.wasAsked();
  const busy = admin.eval("for i = 1, 1e8 do end", 0);
  const isRefused = () =>
    app.redis.ping().then(
      () => false,
      (error: unknown) => String(error).includes("BUSY"),
    );
  await waitUntil(isRefused, "Redis to be busy");
  service.letGo();
  await busy;
  expect((await reporting).verdict).toBe("done");
});

test("a run that needs what Redis will not allow fails after five minutes, with the reason", async () => {
  const redis = await useRedis();
  const admin = useClient(redis.url);
  await admin.call("ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all", "-hsetnx"); // gives hosts up
  const app = new LittleApp({ redisUrl: redis.url.replace("://", "://worker:secret@") });
  const said: object[] = [];
  const hear = (facts: object) => void said.push(facts);
  const { application } = await app.open({ clock: hurried, hear });
  const run = await application.start("clean", { hosts: ["here", "ghost"] });
  await expect(run.report()).rejects.toThrow(/Redis refuses what the run needs: NOPERM/);
  expect(said).toContainEqual(
    expect.objectContaining({ run: run.id, error: expect.stringMatching(/^NOPERM/) }),
  );
});

test("a worker that gave up fires no slot any more, and its process starts no other", async () => {
  const redis = await useRedis();
  const admin = useClient(redis.url);
  const allow = (...words: string[]) => admin.call("ACL", "SETUSER", "worker", ...words);
  await allow("on", ">secret", "~*", "&*", "+@all");
  const schedule = [{ name: "tidy", run: "clean", cron: "* * * * * *" }];
  const redisUrl = redis.url.replace("://", "://worker:secret@");
  const app = new LittleApp({ redisUrl, config: { schedule } });
  const { application, said } = await app.open({ clock: hurried });
  const { gaveUp } = await application.startWorker();
  await waitUntil(() => said.includes("slot queued"), "the first slot");
  await allow("-evalsha", "-eval", "-bzpopmin");
  const lastWord = await gaveUp;
  await systemClock.sleep(500); // one may just have been on its way
  await allow("+@all");
  const slots = () => said.filter((message) => /slot|could not be queued/.test(message)).length;
  const before = slots();
  await systemClock.sleep(2_100);
  expect(slots()).toBe(before);
  await expect(application.startWorker()).rejects.toMatchObject({
    code: "redis-unreachable",
    message: expect.stringContaining(lastWord),
  });
});

describe("the worker", () => {
  test.each([
    {
      what: "loses its permissions",
      break: ["ACL SETUSER worker -evalsha -eval -bzpopmin"],
      mend: "ACL SETUSER worker +@all",
    },
    {
      what: "finds Redis read-only",
      break: ["REPLICAOF 127.0.0.1 1"],
      mend: "REPLICAOF NO ONE",
    },
    {
      what: "finds Redis full",
      break: ["CONFIG SET maxmemory 1"],
      mend: "CONFIG SET maxmemory 0",
    },
    {
      what: "finds its password changed when it reconnects",
      break: ["ACL SETUSER worker resetpass >other", "CLIENT KILL USER worker"],
      mend: "ACL SETUSER worker resetpass >secret",
    },
  ])("$what: says so a few times, burns no processor, and goes on when it is mended", async (fault) => {
    const redis = await useRedis();
    const admin = useClient(redis.url);
    const ask = (command: string) => admin.call(...(command.split(" ") as [string, ...string[]]));
    await ask("ACL SETUSER worker on >secret ~* &* +@all");
    const app = new LittleApp({ redisUrl: redis.url.replace("://", "://worker:secret@") });
    const worker = await app.startWorker();
    for (const command of fault.break) await ask(command);
    await worker.stderr.waitFor(/Redis refuses: no job is taken for a while/, 30_000);
    const before = worker.stderr.text.split("\n").length;
    const cpuMs = await cpuMsOf(worker.pid);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(worker.stderr.text.split("\n").length - before).toBeLessThan(20);
    expect((await cpuMsOf(worker.pid)) - cpuMs).toBeLessThan(1_500);

    await ask(fault.mend);
    const { application } = await app.open();
    await waitUntil(
      async () => (await application.workers()).length === 1,
      "the worker to beat again",
      30_000,
    );
    const report = await (await application.start("clean")).report();
    expect(report).toMatchObject({ engine: "queue", verdict: "done" });
    worker.signal("SIGTERM");
    expect(await worker.result).toMatchObject({ code: 0 });
  });
});

/** User and system time so far: fields 14 and 15 of /proc/<pid>/stat, in ticks of 10 ms. */
async function cpuMsOf(pid: number): Promise<number> {
  const { readFileSync } = await import("node:fs");
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return 10 * (Number(fields[11]) + Number(fields[12]));
}
