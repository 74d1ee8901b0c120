import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SafeShutdownError } from "../../src/errors.ts";
import { openApplication } from "../../src/flow/open.ts";
import { LittleApp } from "../support/little-app.ts";
import { sharedRedis } from "../support/redis.ts";

const { server } = sharedRedis();

/** A job of the application's own, as text: it leaves a file behind. */
const ownJob = (over = "") => `import { writeFileSync } from "node:fs";
  export default {
    name: "leave-a-flag", summary: "Leave a flag.", runsOn: "every host",
    async run(_switches, { config, report, act }) {
      report.add("flag", await act(() => writeFileSync(config.root + "/flag", "on")));
    },
    ${over}
  };`;
const place = { module: "maintenance/flag.mjs", flows: ["shutdown", "clean"], with: "clean-temp-files" };

function appWith(jobs: readonly object[], module = ownJob(), more: object = {}): LittleApp {
  const app = new LittleApp({ redisUrl: server().url, config: { jobs, ...more } });
  mkdirSync(join(app.root, "maintenance"));
  writeFileSync(join(app.root, "maintenance/flag.mjs"), module);
  return app;
}

async function problemsOf(app: LittleApp): Promise<string[]> {
  const log = { info: () => {}, warn: () => {} };
  const failure = await openApplication({ root: app.root, host: "here", log }).catch(
    (error: unknown) => error,
  );
  if (!(failure instanceof SafeShutdownError)) throw new Error(`expected config-invalid, got ${failure}`);
  expect(failure.code).toBe("config-invalid");
  return failure.problems.map(({ path, message }) => `${path}: ${message}`);
}

describe("a job of the application's own", () => {
  test.each([
    { inline: false, engine: "queue" },
    { inline: true, engine: "inline" },
  ])("takes part in its flow ($engine), and is in the report like any other", async ({ inline, engine }) => {
    const app = appWith([place]);
    const { application } = await app.open();
    const report = await (await application.start("clean", { inline })).report();
    expect(report).toMatchObject({ engine, verdict: "done" });
    expect(report.jobs.find(({ job }) => job === "leave-a-flag")).toMatchObject({
      status: "done",
      host: "here",
      items: [{ target: "flag", outcome: "done" }],
    });
    expect(existsSync(join(app.root, "flag"))).toBe(true);
  });

  test("does nothing in a dry run but say what it would do", async () => {
    const app = appWith([place]);
    const { application } = await app.open();
    const report = await (await application.start("clean", { mode: "plan" })).report();
    expect(report.jobs.find(({ job }) => job === "leave-a-flag")?.items).toEqual([
      { target: "flag", outcome: "planned" },
    ]);
    expect(existsSync(join(app.root, "flag"))).toBe(false);
  });

  test("fails alone when it fails", async () => {
    const app = appWith([place], ownJob().replace("writeFileSync(config.root", "fail(config.root"));
    const { application } = await app.open();
    const report = await (await application.start("clean")).report();
    expect(report.verdict).toBe("partial");
    expect(report.jobs.map(({ job, status }) => [job, status])).toEqual([
      ["clean-session-locks", "done"],
      ["prune-redis", "done"],
      ["clean-temp-files", "done"],
      ["leave-a-flag", "partial"],
    ]);
  });

  test.each([
    { where: "before", stages: [["leave-a-flag"], ["stop-services"]] },
    { where: "after", stages: [["stop-services"], ["leave-a-flag"]] },
    { where: "with", stages: [["stop-services", "leave-a-flag"]] },
  ])("stands $where another in a stage of its flow, and in no other flow", async ({ where, stages }) => {
    const app = appWith([{ module: place.module, flows: ["shutdown"], [where]: "stop-services" }]);
    const { flows } = (await app.open()).application.catalog;
    expect(flows.shutdown.slice(0, stages.length)).toEqual(stages);
    expect(flows.shutdown.at(-1)).toEqual(["check-system"]);
    expect([...flows.stop, ...flows.clean].flat()).not.toContain("leave-a-flag");
  });

  test("can be asked for by name, on the command line too, and by the schedule", async () => {
    const schedule = [{ name: "flag", run: "clean", jobs: ["leave-a-flag"], cron: "0 0 1 1 *" }];
    const app = appWith([place], ownJob(), { schedule });
    const { code, stderr } = await app.startCli(["clean", "leave-a-flag", "--yes", "--host", "here"]).result;
    expect([code, stderr]).toEqual([0, expect.stringContaining("leave-a-flag: ended")]);
    expect(existsSync(join(app.root, "stale.lock"))).toBe(true);
    expect(existsSync(join(app.root, "flag"))).toBe(true);
  });

  test("is tried again when it throws, and what it did before is in the report all the same", async () => {
    const job = ownJob().replace(");\n    },", '); throw new Error("no more");\n    },');
    const app = appWith([place], job);
    const { application } = await app.open();
    const report = await (await application.start("clean")).report();
    expect(report.verdict).toBe("partial");
    const told = report.jobs.find(({ job }) => job === "leave-a-flag");
    expect(told).toMatchObject({ status: "failed", reason: "no more", totals: { done: 4 } });
    const inline = await (await application.start("clean", { inline: true })).report();
    expect(inline.jobs.find(({ job }) => job === "leave-a-flag")).toMatchObject({
      status: "failed",
      reason: "no more",
      totals: { done: 1 },
    });
  });

  test("does not keep a run from being taken over by a worker that has no such job, and stages of its own", async () => {
    const app = appWith([{ module: place.module, flows: ["shutdown"], before: "stop-services" }]);
    const service = await app.startService();
    const first = await app.open();
    const worker = await first.application.startWorker();
    const run = await first.application.start("shutdown");
    await service.wasAsked();
    app.configure({ jobs: [] });
    const second = await app.open();
    await second.application.startWorker();
    await worker.close(0);
    service.letGo();

    const following = await second.application.attach(run.id);
    const report = await following.report();
    expect(report).toMatchObject({ verdict: "done" });
    expect(report.jobs.map(({ job, status }) => `${job}: ${status}`).toSorted()).toEqual([
      "check-system: done",
      "clean-session-locks: done",
      "clean-temp-files: done",
      "leave-a-flag: done",
      "prune-redis: done",
      "stop-services: done",
    ]);
    const children = [app.queue("host-here"), app.queue("runs")].map(async (queue) =>
      (await queue.getJobs()).map(({ name }) => name),
    );
    expect((await Promise.all(children)).flat().toSorted()).toEqual(
      [...report.jobs.map(({ job }) => job), "shutdown"].toSorted(),
    );
  });

  test("that a host's config does not know is refused there, and said in the report", async () => {
    const app = appWith([place]);
    const other = new LittleApp({ redisUrl: server().url, name: app.name });
    await (await other.open({ host: "there" })).application.startWorker();
    const { application } = await app.open();
    await application.startWorker();
    const report = await (await application.start("clean", { hosts: ["here", "there"] })).report();
    const states = report.jobs.filter(({ job }) => job === "leave-a-flag");
    const why = { status: "failed", reason: "refused: the config of there knows no job leave-a-flag" };
    // which of the two plans the run is up to them
    expect(states.length === 0 || states.some(({ host }) => host === "there")).toBe(true);
    for (const state of states)
      expect(state).toMatchObject(state.host === "there" ? why : { status: "done" });
  });
});

describe("an own job that cannot be had makes the config invalid", () => {
  test.each([
    {
      what: "a module that is not there",
      module: "",
      says: /^jobs\[0\]: expected a module that can be imported, got .*none\.mjs/,
      own: { ...place, module: "none.mjs" },
    },
    {
      what: "a module that throws",
      module: 'throw new Error("boom")',
      says: /can be imported, got maintenance\/flag\.mjs: boom$/,
    },
    {
      what: "no default export",
      module: "export const a = 1;",
      says: /expected maintenance\/flag\.mjs to export a job as its default/,
    },
    { what: "a bad name", module: ownJob('name: "Rm -rf"'), says: /name: expected letters, digits and -/ },
    { what: "no run", module: ownJob("run: 5"), says: /run: expected a function/ },
    {
      what: "a name that is taken",
      module: ownJob('name: "prune-redis"'),
      says: /expected a name of its own, got prune-redis/,
    },
    ...["shutdown", "stop", "clean", "deadline"].map((name) => ({
      what: `a name that the queue uses itself (${name})`,
      module: ownJob(`name: "${name}", runsOn: "one host"`),
      says: new RegExp(`^jobs\\[0\\]: expected a name of its own, got ${name}: .*; give it another one$`),
    })),
    {
      what: "a place that is not there",
      module: ownJob(),
      own: { ...place, with: "stop-services" },
      says: /expected with to name a job of the flow clean \(.*\), got stop-services$/,
    },
  ])("$what", async ({ module, own = place, says }) => {
    expect(await problemsOf(appWith([own], module))).toEqual([expect.stringMatching(says)]);
  });

  test("all at once, with a schedule that asks for what nobody knows", async () => {
    const schedule = [{ name: "s", run: "clean", jobs: ["leave-a-flg"], cron: "0 0 1 1 *" }];
    const problems = await problemsOf(
      appWith([place, { ...place, module: "none.mjs" }], ownJob(), { schedule }),
    );
    expect(problems).toEqual([
      expect.stringMatching(/^jobs\[1\]: /),
      expect.stringMatching(/^schedule\[0\]\.jobs: .*got "leave-a-flg"; did you mean leave-a-flag\?$/),
    ]);
  });

  test("with no place, or two", async () => {
    const { with: anchor, ...nowhere } = place;
    expect(await problemsOf(appWith([nowhere, { ...place, before: anchor }]))).toEqual([
      expect.stringMatching(/^jobs\[0\]: expected one of before, after and with, got none/),
      expect.stringMatching(/^jobs\[1\]: expected one of before, after and with, got before and with/),
    ]);
  });

  test.runIf(process.geteuid?.() === 0)(
    "that somebody else could change, when root would import it",
    async () => {
      const app = appWith([place]);
      chmodSync(join(app.root, place.module), 0o666);
      expect(await problemsOf(app)).toEqual([
        expect.stringMatching(/^jobs\[0\]: expected a file that only root can change/),
      ]);
    },
  );

  test("outside the root", async () => {
    const app = appWith([{ ...place, module: "link.mjs" }]);
    symlinkSync("/dev/null", join(app.root, "link.mjs"));
    expect(await problemsOf(app)).toEqual(["jobs[0]: expected a module inside the root, got /dev/null"]);
  });
});
