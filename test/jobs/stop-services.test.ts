import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readProcess } from "../../src/system/proc.ts";
import { makeApp } from "../support/app.ts";
import { DAY, put } from "../support/hands.ts";
import { diff, snapshot } from "../support/listing.ts";
import { ended, isAlive, type LongLived, spawnIdle, waitUntil } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

type App = Awaited<ReturnType<typeof makeApp>>;

/** Three services; grace and the rest of an entry can be added to the workers. */
const services = (workers = "grace: 10s") => `
services:
  - { name: beat, pidFiles: pids/beat.pid, matches: 'celery.*\\bbeat\\b', grace: 10s }
  - { name: workers, pidFiles: "pids/worker*.pid", matches: 'celery.*\\bworker\\b', ${workers} }
  - { name: flower, pidFiles: pids/flower.pid, matches: 'celery.*\\bflower\\b', grace: 10s }`;

/** Says on SIGTERM, in a file of all, that it was asked; then ends, unless told to be stubborn. */
const LOGGING = (name: string, then = "process.exit(0)") =>
  `process.on("SIGTERM", () => { require("fs").appendFileSync("signals.log", "${name}\\n"); ${then} })`;

/** A main process with one child, both of the same group; each notes a SIGTERM. */
const WITH_CHILD = (then?: string) => `
  ${LOGGING("main", then)};
  const child = require("child_process").spawn(process.execPath,
    ["-e", ${JSON.stringify(`${LOGGING("child")}; console.log("up"); setTimeout(() => {}, 600_000)`)}, "--", "pool"],
    { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.once("data", () => { require("fs").writeFileSync("child.pid", String(child.pid)); });
  process.on("exit", () => child.kill("SIGKILL"))`;

async function start(app: App, service: string, program = LOGGING(service), pidFile = `pids/${service}.pid`) {
  const one = await spawnIdle({ cwd: app.root, words: ["celery", service], program });
  if (pidFile !== "") put(app.root, pidFile, `${one.pid}\n`, 0);
  return one;
}

/** A worker with a pool child, and the pid of that. */
async function startWithChild(app: App, then?: string): Promise<LongLived & { childPid: number }> {
  const one = await start(app, "worker", WITH_CHILD(then));
  const file = join(app.root, "child.pid");
  const childPid = () => (existsSync(file) ? Number(readFileSync(file, "utf8")) : 0); // empty while it is written
  await waitUntil(() => childPid() > 0, "the pool child");
  return { ...one, childPid: childPid() };
}

const signalsIn = (app: App) => readFileSync(join(app.root, "signals.log"), "utf8").trim().split("\n");

describe("a graceful stop", () => {
  test("asks entry after entry, and removes the pid files of what has ended", async () => {
    const app = await makeApp(services());
    const flower = await start(app, "flower");
    const worker = await start(app, "worker");
    const slow = `setTimeout(() => { require("fs").appendFileSync("signals.log", "beat ended\\n"); process.exit(0); }, 300)`;
    const beat = await start(app, "beat", LOGGING("beat", slow));

    const { lines, report, error } = await app.run("stop-services");

    expect(error).toBeUndefined();
    expect(signalsIn(app)).toEqual(["beat", "beat ended", "worker", "flower"]);
    expect(lines).toEqual([
      expect.stringMatching(`^beat \\(pid ${beat.pid}\\): done: stopped in `),
      expect.stringMatching(`^flower \\(pid ${flower.pid}\\): done: stopped in `),
      expect.stringMatching(/^pids\/beat\.pid: done/),
      expect.stringMatching(/^pids\/flower\.pid: done/),
      expect.stringMatching(/^pids\/worker\.pid: done/),
      expect.stringMatching(`^workers \\(pid ${worker.pid}\\): done: stopped in `),
    ]);
    expect(report.status).toBe("done");
    for (const name of ["beat", "worker", "flower"])
      expect(existsSync(join(app.root, `pids/${name}.pid`))).toBe(false);
  });

  test("sends SIGTERM to the main process only", async () => {
    const app = await makeApp(services());
    const worker = await startWithChild(app);
    const { report } = await app.run("stop-services");
    expect(signalsIn(app)).toEqual(["main"]);
    expect([isAlive(worker.pid), isAlive(worker.childPid)]).toEqual([false, false]);
    expect(report.status).toBe("done");
  });

  test("says what it waits for", async () => {
    const app = await makeApp(services());
    const { pid } = await start(app, "worker", LOGGING("worker", "setTimeout(() => process.exit(0), 200)"));
    const said = new Set<string>();
    await app.run("stop-services", { onProgress: (what) => what !== undefined && said.add(what) });
    expect([...said][0]).toMatch(`workers (pid ${pid}): `);
  });

  test("ends one process once, though two pid files name it", async () => {
    const app = await makeApp(services());
    const { pid } = await start(app, "worker", LOGGING("worker"), "pids/worker1.pid");
    put(app.root, "pids/worker2.pid", `${pid}\n`, 0);
    const { lines } = await app.run("stop-services");
    expect(signalsIn(app)).toEqual(["worker"]);
    expect(lines).toHaveLength(3);
    expect(lines.filter((line) => line.includes(`(pid ${pid})`))).toHaveLength(1);
    expect(existsSync(join(app.root, "pids/worker2.pid"))).toBe(false);
  });

  test("is done when it is done twice", async () => {
    const app = await makeApp(services());
    await start(app, "worker");
    await app.run("stop-services");
    expect((await app.run("stop-services")).report).toMatchObject({ status: "done", items: [] });
  });
});

describe("after the grace", () => {
  test("the noted tree is killed", async () => {
    const app = await makeApp(services("grace: 300ms"));
    const worker = await startWithChild(app, ""); // notes the signal and stays
    const { lines, report } = await app.run("stop-services");
    expect(lines).toContainEqual(
      expect.stringMatching(
        `^workers \\(pid ${worker.pid}\\): done: still running after 300ms, killed \\(2 processes\\)`,
      ),
    );
    expect([isAlive(worker.pid), isAlive(worker.childPid)]).toEqual([false, false]);
    expect(report.status).toBe("done");
    expect(existsSync(join(app.root, "pids/worker.pid"))).toBe(false);
  });

  test("a child that outlives its main process is killed too", async () => {
    const app = await makeApp(services("grace: 500ms"));
    const worker = await startWithChild(app, 'process.kill(process.pid, "SIGKILL")');
    const { report } = await app.run("stop-services");
    expect([isAlive(worker.pid), isAlive(worker.childPid)]).toEqual([false, false]);
    expect(report.status).toBe("done");
  });

  test("an entry that says `afterGrace: leave` is left running, which fails", async () => {
    const app = await makeApp(services("grace: 200ms, afterGrace: leave"));
    const worker = await startWithChild(app, "");
    const { lines, report } = await app.run("stop-services");
    expect(lines).toEqual([
      `pids/worker.pid: kept: pid ${worker.pid} is still running`,
      expect.stringMatching(
        /^workers \(pid \d+\): failed: still running after 200ms .*left alone, as configured$/,
      ),
    ]);
    expect([isAlive(worker.pid), isAlive(worker.childPid)]).toEqual([true, true]);
    expect(report.status).toBe("partial");
  });
});

describe("with --force, what workers had taken", () => {
  const redis = sharedRedis();
  /** How many connections the server has had so far. */
  const connections = async () =>
    Number(/^total_connections_received:(\d+)/m.exec(await redis.client().info("stats"))?.[1]);

  test("is told as what all workers of the broker hold, also those that live on", async () => {
    await redis.client().hset("unacked", { "tag-1": "taken here", "tag-2": "taken on another host" });
    const app = await makeApp(services(), redis.server().url);
    for (const mode of ["plan", "apply"] as const) {
      const { lines } = await app.run("stop-services", { mode, switches: { force: true } });
      expect(lines).toEqual([
        "unacked: kept: 2 tasks taken and not acknowledged, counting all workers of this broker on all hosts; those " +
          "of killed workers Celery delivers again after its visibility timeout (default 1 h)",
      ]);
    }
  });

  test("is not asked for with --keep-redis", async () => {
    await redis.client().hset("unacked", "tag", "taken");
    const app = await makeApp(services(), redis.server().url);
    const before = await connections();
    const { lines, error } = await app.run("stop-services", { keepRedis: true, switches: { force: true } });
    expect([lines, error]).toEqual([[], undefined]);
    expect(await connections()).toBe(before);
  });
});

test("--force kills at once, with all children", async () => {
  const app = await makeApp(services());
  const worker = await startWithChild(app, "");
  const { lines, report } = await app.run("stop-services", { switches: { force: true } });
  expect(existsSync(join(app.root, "signals.log"))).toBe(false); // nobody was asked
  expect(lines).toContainEqual(
    expect.stringMatching(`^workers \\(pid ${worker.pid}\\): done: killed \\(2 processes\\)`),
  );
  expect([isAlive(worker.pid), isAlive(worker.childPid)]).toEqual([false, false]);
  expect(report.status).toBe("done");
});

describe("a stray", () => {
  test.each([
    { when: "without more", workers: "grace: 10s", force: false, isStopped: false },
    { when: "with --force", workers: "grace: 10s", force: true, isStopped: true },
    { when: "with `strays: stop`", workers: "grace: 10s, strays: stop", force: false, isStopped: true },
  ])("$when is stopped: $isStopped", async ({ workers, force, isStopped }) => {
    const app = await makeApp(services(workers));
    const { pid } = await start(app, "worker", LOGGING("worker"), "");
    const { lines, report } = await app.run("stop-services", { switches: { force } });
    expect(isAlive(pid)).toBe(!isStopped);
    expect(report.status).toBe(isStopped ? "done" : "partial");
    if (!isStopped) expect(lines).toEqual([expect.stringMatching(/kept: left running; --force/)]);
  });

  test.each([
    { mode: "plan", switches: { force: true }, outcome: "planned" },
    { mode: "apply", switches: { force: true }, outcome: "done" },
    { mode: "apply", switches: { force: false }, outcome: "kept" },
  ] as const)("is called one, with its command line, in $mode with $switches: $outcome", async (options) => {
    const app = await makeApp(services());
    const { pid } = await spawnIdle({ cwd: app.root, words: ["celery", "worker", "--token", "hunter2"] });
    const { items } = await app.run("stop-services", options);
    expect(items).toMatchObject([
      {
        target: `workers (pid ${pid})`,
        outcome: options.outcome,
        stray: true,
        command: expect.stringMatching(/idle\.cjs celery worker --token \*\*\*$/),
      },
    ]);
  });

  test("is not what a process with a pid file is called", async () => {
    const app = await makeApp(services());
    await start(app, "worker");
    const { items } = await app.run("stop-services", { mode: "plan", switches: { force: true } });
    expect(items.filter(({ target }) => target.startsWith("workers"))).toHaveLength(1);
    expect(items.filter((item) => "stray" in item || "command" in item)).toEqual([]);
  });
});

describe("a pid file", () => {
  test("of a process that ended before is removed", async () => {
    const app = await makeApp(services());
    const { pid, child } = await spawnIdle();
    child.kill("SIGKILL");
    await ended(child);
    put(app.root, "pids/worker.pid", `${pid}\n`);
    const { lines } = await app.run("stop-services");
    expect(lines).toEqual([`pids/worker.pid: done: pid ${pid} has ended`]);
  });

  test.each([
    { that: "names somebody else, who is older", ageMs: 0, outcome: "kept" },
    { that: "names somebody who got the number later", ageMs: DAY, outcome: "done" },
  ])("that $that leads to no signal: $outcome", async ({ ageMs, outcome }) => {
    const app = await makeApp(services());
    const bystander = await spawnIdle();
    put(app.root, "pids/worker.pid", `${bystander.pid}\n`, ageMs);
    for (const force of [false, true]) {
      const { items } = await app.run("stop-services", {
        switches: { force },
        mode: force ? "apply" : "plan",
      });
      expect(items).toMatchObject([
        { target: "pids/worker.pid", outcome: force ? outcome : expect.anything() },
      ]);
    }
    expect(isAlive(bystander.pid)).toBe(true);
  });

  test("that was rewritten while its process ended stays", async () => {
    const app = await makeApp(services());
    const rewrite = `require("fs").writeFileSync("pids/worker.pid", "4194303\\n"); process.exit(0)`;
    const { pid } = await start(app, "worker", LOGGING("worker", rewrite));
    const { lines } = await app.run("stop-services");
    expect(isAlive(pid)).toBe(false);
    expect(lines).toContain("pids/worker.pid: changed: it is no longer what was looked at");
    expect(readFileSync(join(app.root, "pids/worker.pid"), "utf8")).toBe("4194303\n");
  });

  test("that its process removed itself counts as done", async () => {
    const app = await makeApp(services());
    await start(
      app,
      "worker",
      LOGGING("worker", `require("fs").unlinkSync("pids/worker.pid"); process.exit(0)`),
    );
    const { lines } = await app.run("stop-services");
    expect(lines).toContain("pids/worker.pid: done: it was already gone");
  });

  test("that names this very process leads to no signal", async () => {
    const app = await makeApp(services());
    put(app.root, "pids/worker.pid", `${process.pid}`, 0);
    const { lines } = await app.run("stop-services", { switches: { force: true } });
    expect(lines).toEqual([expect.stringMatching(/^pids\/worker\.pid: kept: /)]);
  });
});

test("one that cannot be stopped fails, the rest proceed", async () => {
  const app = await makeApp(services("grace: 200ms, afterGrace: leave"));
  await start(app, "worker", LOGGING("worker", ""));
  const flower = await start(app, "flower");
  const { report, targets } = await app.run("stop-services");
  expect(targets("failed")).toHaveLength(1);
  expect(isAlive(flower.pid)).toBe(false);
  expect(report.status).toBe("partial");
});

test("when the run is aborted it says what is still running, and what was not asked any more", async () => {
  const app = await makeApp(services());
  const worker = await start(app, "worker", LOGGING("worker", ""));
  const flower = await start(app, "flower");
  const stop = new AbortController();
  const { error, lines } = await app.run("stop-services", {
    signal: stop.signal,
    onProgress: (what) => what !== undefined && stop.abort(new Error("enough")),
  });
  expect(error).toMatchObject({ message: "enough" });
  expect([isAlive(worker.pid), isAlive(flower.pid)]).toEqual([true, true]);
  expect(lines).toEqual([
    "flower: kept: not asked: the run was cancelled",
    `pids/worker.pid: kept: pid ${worker.pid} is still running`,
    `workers (pid ${worker.pid}): failed: was asked to stop, and is still running`,
  ]);
});

test("when the run is aborted, before anything, every service is told as not asked", async () => {
  const app = await makeApp(services());
  const { lines } = await app.run("stop-services", { signal: AbortSignal.abort(new Error("enough")) });
  expect(lines).toEqual(
    ["beat", "flower", "workers"].map((name) => `${name}: kept: not asked: the run was cancelled`),
  );
});

test.each([{ force: false }, { force: true }])(
  "a dry run (force: $force) sends nothing and changes nothing",
  async ({ force }) => {
    const app = await makeApp(services());
    const worker = await startWithChild(app, "");
    writeFileSync(join(app.root, "signals.log"), "");
    const before = snapshot(app.root);
    const facts = readProcess(worker.pid);
    const { lines } = await app.run("stop-services", { mode: "plan", switches: { force } });
    expect(lines).toEqual([
      "pids/worker.pid: planned",
      `workers (pid ${worker.pid}): planned: ${force ? "SIGKILL to 2 processes" : "SIGTERM, up to 10s of grace, then SIGKILL"}`,
    ]);
    expect(diff(before, snapshot(app.root))).toEqual({ added: [], removed: [], changed: [] });
    expect(readProcess(worker.pid)).toEqual(facts);
    expect(isAlive(worker.childPid)).toBe(true);
  },
);

test.each([{ switches: { force: "yes" } }, { switches: { force: undefined } }, { switches: { force: 1 } }])(
  "refuses to run with $switches, and signals nobody",
  async ({ switches }) => {
    const app = await makeApp(services());
    const worker = await start(app, "worker");
    const { error, items } = await app.run("stop-services", { switches });
    expect(String(error)).toMatch(/force/);
    expect([items, isAlive(worker.pid)]).toEqual([[], true]);
  },
);
