import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listProcesses } from "../../src/system/process-list.ts";
import { makeApp } from "../support/app.ts";
import { DAY, put, RUN } from "../support/hands.ts";

/*
 * Where there is much to do, sweepers judge what is plain and are told to remove it as a lot. Nothing may differ from what
 * the job would have done file by file. Called at once, they walk all that is not a large directory.
 */

const CALLED = { calledAfter: 0 };

/** The paths that the manifest names, in order. */
function writtenDown(root: string): string[] {
  const text = readFileSync(join(root, `.safe-shutdown/${RUN}.jsonl`), "utf8");
  return text
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [String(JSON.parse(line).path)]))
    .sort();
}

function filesIn(root: string): string[] {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => (entry.isFile() ? [entry.name] : []));
}

function sweepers(): number[] {
  const all = listProcesses().filter(({ commandLine }) => commandLine.includes("temp-sweeper-program"));
  return all.filter(({ parentPid }) => parentPid === process.pid).map(({ pid }) => pid);
}

test("the report names as many as ever, and counts them all", async () => {
  const app = await makeApp('temp: [{ files: "tmp/**", olderThan: 1h }]');
  for (let n = 0; n < 2_400; n += 1) put(app.root, `tmp/${n % 40}/${n}`, "xy", n % 2 === 0 ? DAY : 0);
  const { error, report } = await app.run("clean-temp-files", CALLED);
  expect(error).toBeUndefined();
  expect(report.totals).toEqual({
    done: 1_200,
    planned: 0,
    kept: 1_200,
    changed: 0,
    failed: 0,
    bytes: 2_400,
  });
  expect(report.truncated).toBe(true);
  const named = (outcome: string) => new Set(report.items.filter((item) => item.outcome === outcome));
  expect([named("done").size, named("kept").size]).toEqual([1_000, 1_000]);
  expect([...named("kept")][0]?.reason).toMatch(/^only .* old$/);
  expect(new Set(report.items.map(({ target }) => target)).size).toBe(2_000);
});

test("a limit is kept to exactly, however many lots it lets through", async () => {
  const app = await makeApp('temp: [{ files: "tmp/**" }]\nlimits: { files: 1234 }');
  for (let n = 0; n < 2_400; n += 1) put(app.root, `tmp/${n % 60}/${n}`);
  const { error, report } = await app.run("clean-temp-files", CALLED);
  expect(String(error)).toContain("limits.files (1234) is reached: 1234 files were removed");
  expect(report.totals.done).toBe(1_234);
  expect(filesIn(join(app.root, "tmp"))).toHaveLength(2_400 - 1_234);
});

test("the share of a rule is kept to", async () => {
  const app = await makeApp('temp: [{ files: "tmp/**", olderThan: 1h, share: 50% }]');
  for (let n = 0; n < 400; n += 1) put(app.root, `tmp/${n % 40}/${n}`, "x", n < 200 ? DAY : 0);
  const { error, report } = await app.run("clean-temp-files", CALLED);
  expect(error).toBeUndefined();
  expect(report.totals).toMatchObject({ done: 200, kept: 200 });
});

test("what a process has open stays, and the report says which process", async () => {
  const app = await makeApp(
    'temp: [{ files: "tmp/**" }, { directories: cache }]\nlocks: [{ files: ["**/held*"] }]',
  );
  for (let n = 0; n < 40; n += 1) put(app.root, `tmp/${n % 4}/${n}`);
  put(app.root, "cache/a.pyc");
  put(app.root, "cache/held.pyc");
  put(app.root, "tmp/held");
  const fd = openSync(join(app.root, "tmp/3/7"), "r");
  try {
    const { lines, report } = await app.run("clean-temp-files", CALLED);
    expect(lines).toContain(`tmp/3/7: kept: pid ${process.pid} has it open`);
    expect(lines).toContain("tmp/held: kept: a lock, which clean-session-locks looks after");
    expect(lines).toContain(
      "cache: kept: cache/held.pyc in it is a lock, which clean-session-locks looks after",
    );
    expect(report.totals).toMatchObject({ done: 39, kept: 3 });
    expect(filesIn(app.root)).toEqual(expect.arrayContaining(["7", "a.pyc", "held.pyc", "held"]));
  } finally {
    closeSync(fd);
  }
});

test("a lot that is lost with its sweeper is removed without it: nothing is left, written or counted twice", async () => {
  const app = await makeApp('temp: [{ files: "tmp/**", olderThan: 1h }, { directories: "**/cache" }]');
  for (let n = 0; n < 300; n += 1) put(app.root, `tmp/${n % 10}/${n}`, "x", DAY);
  for (let n = 0; n < 10; n += 1) put(app.root, `src/${n}/cache/a.pyc`, "x", DAY);
  put(app.root, "tmp/0/young", "x", 0); // told before the lot is given back to be removed
  const stopped: number[] = [];
  const onProgress = () => {
    if (stopped.length > 0) return;
    stopped.push(...sweepers());
    for (const pid of stopped) process.kill(pid, "SIGSTOP");
    const kill = () => {
      for (const pid of stopped) process.kill(pid, "SIGKILL");
    };
    setTimeout(kill, 300); // by then they were told to remove
  };
  const { error, report } = await app.run("clean-temp-files", { ...CALLED, onProgress });
  expect(error).toBeUndefined();
  expect(stopped.length).toBeGreaterThan(0);
  expect(report.totals).toMatchObject({ done: 310, kept: 1, changed: 0, failed: 0 });
  expect(filesIn(join(app.root, "tmp"))).toEqual(["young"]);
  const written = writtenDown(app.root);
  expect(new Set(written).size).toBe(written.length);
  expect(written).toHaveLength(320);
});

test("what is not written down does not go", async () => {
  const app = await makeApp('temp: [{ files: "tmp/**" }]');
  for (let n = 0; n < 300; n += 1) put(app.root, `tmp/${n % 10}/${n}`);
  put(app.root, ".safe-shutdown", "in the way");
  const { error, report } = await app.run("clean-temp-files", CALLED);
  expect(error).toBeDefined();
  expect(report.totals.done).toBe(0);
  expect(filesIn(join(app.root, "tmp"))).toHaveLength(300);
});
