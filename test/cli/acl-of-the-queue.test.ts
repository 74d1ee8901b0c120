import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { allow, linesFor, refusals, SUBMITTER, urlAs, WORKER } from "../support/acl.ts";
import { cliIn, reportOf, useApplication } from "../support/application.ts";
import { MINUTE } from "../support/hands.ts";
import { useClient, useRedis } from "../support/redis.ts";

/*
 * The queue's Redis where it is another than the one that is pruned: there a worker has nothing but what docs/redis.md
 * gives it for the queue.
 */

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const QUEUE = "{safe-shutdown-scraper}";
const configFor = (queueUrl: string) => `app: scraper
queue: { url: "${queueUrl}" }
redis: { prune: [{ keys: "message:*", olderThan: 10m, age: [idle] }] }
jobs: [{ module: slow.mjs, flows: [clean], after: clean-temp-files }]
schedule: [{ name: often, run: clean, cron: "* * * * * *" }]
stageDeadline: 1s`;

/** Longer than a stage may take, and than two slots of the schedule are apart. */
const SLOW = `export default {
  name: "slow", summary: "Takes its time.", runsOn: "every host",
  run: () => new Promise((resolve) => setTimeout(resolve, 2_500)),
};`;

async function setUp() {
  const [queue, pruned] = await Promise.all([useRedis(), useRedis()]);
  const [admin, other] = [useClient(queue.url), useClient(pruned.url)];
  const lines = await linesFor(admin, WORKER);
  const isOfQueue = (line: readonly string[]) => line.some((word) => word.startsWith(`~${QUEUE}`));
  await allow(
    admin,
    lines.filter((line) => isOfQueue(line) || line.includes("+client|setinfo")),
  );
  await allow(
    other,
    lines.filter((line) => !isOfQueue(line)),
  );
  await allow(admin, await linesFor(admin, SUBMITTER));
  const root = await useApplication({}, configFor(urlAs(WORKER, queue.url)));
  writeFileSync(join(root, "slow.mjs"), SLOW);
  const worker = cliIn(root, urlAs(WORKER, pruned.url));
  return { root, queueUrl: queue.url, admin, other, worker };
}

test("nothing is refused: an absent host, a late stage, the 201st run, a slot skipped, an entry forgotten, a cancelled run", {
  timeout: 60_000,
}, async () => {
  const { admin, other, worker } = await setUp();
  const old = Array.from({ length: 200 }, (_, n) => `run-old-${n}`);
  for (const run of old) {
    await admin.set(`${QUEUE}:report:${run}`, "{}");
    for (const flow of ["clean", "scheduled"])
      await admin.zadd(`${QUEUE}:history:${flow}`, Date.now() - 60 * MINUTE, run);
  }
  await admin.zadd(`${QUEUE}:slots`, Date.now(), "forgotten");

  const running = worker.start("worker --host a", { timeoutMs: 50_000 });
  await running.stderr.waitFor(/is up/);
  expect(await admin.zscore(`${QUEUE}:slots`, "forgotten")).toBeNull();
  await running.stderr.waitFor(/slot skipped/);

  const absent = await worker.run("clean --yes --host a --hosts a,ghost --json");
  expect(reportOf(absent), absent.stderr).toMatchObject({ engine: "queue", unreachable: ["ghost"] });
  expect(absent.stdout).toContain("not finished within 1s");
  expect(await admin.zcard(`${QUEUE}:history:clean`)).toBe(200);
  expect(await admin.pttl(`${QUEUE}:given-up:${reportOf(absent).run}`)).toBeGreaterThan(0);

  running.signal("SIGSTOP"); // so that the run has not ended when it is cancelled
  const run = (await worker.run("clean --yes --host a --detach")).stdout.trim();
  expect((await worker.run(`cancel ${run}`)).code).toBe(0);
  running.signal("SIGCONT");
  await running.stderr.waitFor(new RegExp(`"run":"${run}"[^\\n]*"msg":"run ended"`));
  for (const words of ["status", "runs", `runs ${run}`, "schedule", "check"]) {
    const { code, stderr } = await worker.run(words);
    expect(code, stderr).toBe(0);
  }
  running.signal("SIGTERM");
  expect((await running.result).code).toBe(0);
  expect([...(await refusals(admin)), ...(await refusals(other))]).toEqual([]);
});

const EXAMPLE = "examples/submit-from-bullmq.ts";

test("who submits with nothing but BullMQ hears how it ended, and what was cancelled may be asked for again", {
  timeout: 60_000,
}, async () => {
  const { root, queueUrl, admin, worker } = await setUp();
  writeFileSync(join(root, "submitter.yaml"), configFor(urlAs(SUBMITTER, queueUrl)));
  const running = worker.start("worker --host a", { timeoutMs: 50_000 });
  await running.stderr.waitFor(/is up/);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", EXAMPLE, urlAs(SUBMITTER, queueUrl), "scraper"],
    { cwd: PROJECT, timeout: 30_000 },
  );
  expect(stdout).toMatch(/^asked for (run-\S+)\n\1: partial; /);

  const submitter = (words: string) => worker.run(`${words} --config submitter.yaml`);
  const ask = () => submitter("clean --yes --host a --detach");
  running.signal("SIGSTOP"); // so that what is cancelled still goes on
  const { stdout: answer, stderr } = await ask();
  const first = answer.trim();
  expect(first, stderr).toMatch(/^run-/);
  expect((await submitter(`cancel ${first}`)).code).toBe(0);
  const second = await ask();
  running.signal("SIGCONT");
  expect(second.code, second.stderr).toBe(0);
  expect(second.stdout.trim()).not.toBe(first);
  await running.stderr.waitFor(new RegExp(`"run":"${second.stdout.trim()}"[^\\n]*"msg":"run ended"`));
  running.signal("SIGTERM");
  expect((await running.result).code).toBe(0);
  expect(await refusals(admin)).toEqual([]);
});
