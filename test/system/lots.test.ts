import { closeSync, linkSync, openSync, readdirSync, rmSync, symlinkSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { lookAt } from "../../src/system/file-entry.ts";
import { lineWriter } from "../../src/system/line-writer.ts";
import { abortedOnceTold, makeApp } from "../support/app.ts";
import { age, DAY, HOUR, put, stoppedClock } from "../support/hands.ts";
import { CALLED, leftIn, manifestIn, sweepers, writtenDown } from "../support/sweeping.ts";

/*
 * Where there is much to do, sweepers judge what is plain and are told to remove it as a lot. Nothing may differ from what
 * the job would have done file by file.
 */

/** An application whose temp rule means `tmp/**`, with so many files in so many directories there. */
async function appWith(files: number, directories: number, config = 'temp: [{ files: "tmp/**" }]') {
  const app = await makeApp(config);
  for (let n = 0; n < files; n += 1) put(app.root, `tmp/${n % directories}/${n}`, "xy", DAY);
  const left = () => leftIn(join(app.root, "tmp")).filter((path) => path.includes("/"));
  return { ...app, left };
}

test("what a dry run says without sweepers is what they do, whatever the rule", async () => {
  const app = await makeApp(`temp:
  - { files: "logs/**/*.log.*", olderThan: 7d }
  - { directories: "**/cache", holding: ["*.pyc"], olderThan: 1h }
  - { pidFiles: "pids/*.pid" }
  - { files: "beat/*", unlessRunning: beat }
  - { files: "aside/**", quarantine: 7d }
  - { files: "**/*.tmp" }
services: [{ name: beat, pidFiles: pids/beat.pid, matches: beat-of-nobody }]
locks: [{ files: "**/*.lock.*" }]
preserve: [logs/kept/**]`);
  for (const [n, ageMs] of [8 * DAY, 7 * DAY + HOUR, 6 * DAY, HOUR, -DAY].entries()) {
    put(app.root, `logs/${n}/app.log.${n}`, "x", ageMs);
    put(app.root, `code/${n}/cache/a.pyc`, "x", ageMs);
    put(app.root, `code/${n}/cache/b.pyc`, "x", DAY);
    put(app.root, `code/${n}/${n}.tmp`, "x", ageMs);
    age(join(app.root, `code/${n}/cache`), n % 2 === 0 ? DAY : HOUR);
  }
  put(app.root, "logs/kept/app.log.1", "x", 8 * DAY);
  put(app.root, "logs/a.lock.log.1", "x", 8 * DAY);
  put(app.root, "code/notes/cache/notes.txt", "x", DAY);
  put(app.root, "pids/gone.pid", "99999999");
  put(app.root, "pids/own.pid", `${process.pid}`);
  put(app.root, "beat/schedule");
  put(app.root, "aside/a");
  linkSync(put(app.root, "links/a.tmp", "12345"), join(app.root, "links/b.tmp"));
  truncateSync(put(app.root, "links/sparse.tmp"), 1_000_000);
  symlinkSync("a.tmp", join(app.root, "links/c.tmp"));
  const clock = stoppedClock();
  const plan = await app.run("clean-temp-files", { mode: "plan", clock });
  const { error, report, ...ran } = await app.run("clean-temp-files", { ...CALLED, clock });
  expect(error).toBeUndefined();
  expect(ran.targets("done")).toEqual(plan.targets("planned"));
  expect(ran.targets("done").length).toBeGreaterThan(10);
  const { done, planned, ...totals } = report.totals;
  expect({ ...totals, done: planned, planned: done }).toEqual(plan.report.totals);
  const kept = (lines: readonly string[]) => lines.filter((line) => line.includes(": kept: "));
  expect(kept(ran.lines)).toEqual(kept(plan.lines));
  expect(leftIn(app.root).filter((path) => plan.targets("planned").includes(path))).toEqual([]);
});

test("each line of the manifest is what the job would write, to the last digit", async () => {
  const clock = stoppedClock();
  const app = await makeApp('temp: [{ files: "tmp/**", olderThan: 1h }, { directories: "**/cache" }]');
  const names = ['"a"', "a\nb", "a\\u000a", "\u{1F600}é", "e\u0301", "\u2028", "\u007f", "-rf", "a b\t\r"];
  for (const name of names) put(app.root, `tmp/${name}/${name}`, name, 2.5 * HOUR);
  linkSync(put(app.root, "tmp/linked", "x", DAY), join(app.root, "tmp/again"));
  truncateSync(put(app.root, "tmp/sparse", "x"), 1_000_000);
  put(app.root, 'src/"/cache/"\n.pyc', "x", DAY);
  const common = { at: new Date(clock.now()).toISOString(), job: "clean-temp-files", host: "h1" };
  const [ofFile, ofUnit] = ["older than 1h (tmp/**)", "**/cache"].map((reason) =>
    lineWriter({ ...common, reason, quarantine: undefined }),
  );
  const lineOf = (path: string) => {
    const entry = lookAt(join(app.root, path), path);
    return entry && (path.startsWith("tmp/") ? ofFile : ofUnit)?.(entry);
  };
  const { root } = app;
  const found = leftIn(root).filter(
    (path) => lookAt(join(root, path), path)?.kind === "file" || /cache$/.test(path),
  );
  const expected = new Map(found.map((path) => [path, lineOf(path)]));
  const { error } = await app.run("clean-temp-files", { ...CALLED, clock });
  expect(error).toBeUndefined();
  const written = writtenDown(root);
  expect(written).toEqual(expect.arrayContaining(names.map((name) => `tmp/${name}/${name}`)));
  const lines = manifestIn(root).split("\n").slice(0, -1).sort();
  expect(lines).toEqual(written.map((path) => expected.get(path)?.trimEnd()).sort());
});

test("the report names as many as ever, and counts them all", async () => {
  const app = await appWith(1_200, 40, 'temp: [{ files: "tmp/**", olderThan: 1h }]');
  for (let n = 0; n < 1_200; n += 1) put(app.root, `tmp/${n % 40}/young-${n}`, "x", 0);
  const { error, report } = await app.run("clean-temp-files", CALLED);
  expect(error).toBeUndefined();
  expect(report.totals).toMatchObject({ done: 1_200, kept: 1_200, changed: 0, failed: 0, bytes: 2_400 });
  expect(report.truncated).toBe(true);
  const named = (outcome: string) => report.items.filter((item) => item.outcome === outcome);
  expect([named("done").length, named("kept").length]).toEqual([1_000, 1_000]);
  expect(named("kept")[0]?.reason).toMatch(/^only .* old$/);
  expect(new Set(report.items.map(({ target }) => target)).size).toBe(2_000);
});

test("more than fits into a lot goes all the same", async () => {
  const app = await makeApp('temp: [{ directories: "**/cache" }]');
  for (let n = 0; n < 5_000; n += 1) put(app.root, `code/${n % 25}/cache/${n}.pyc`);
  const { error, report } = await app.run("clean-temp-files", CALLED);
  expect(error).toBeUndefined();
  expect(report.totals).toMatchObject({ done: 25, bytes: 5_000 });
  expect(leftIn(join(app.root, "code"))).toHaveLength(25);
  expect(writtenDown(app.root)).toHaveLength(5_025);
});

describe("a limit is kept to exactly, however many lots there are", () => {
  test("of files, and what an earlier attempt removed counts", async () => {
    const app = await appWith(2_400, 60, 'temp: [{ files: "tmp/**" }]\nlimits: { files: 1234 }');
    const { error, report } = await app.run("clean-temp-files", CALLED);
    expect(String(error)).toContain("limits.files (1234) is reached: 1234 files were removed");
    expect(report.totals.done).toBe(1_234);
    expect(app.left()).toHaveLength(2_400 - 1_234);
    const again = await app.run("clean-temp-files", CALLED);
    expect(String(again.error)).toContain("limits.files (1234) is reached");
    expect(app.left()).toHaveLength(2_400 - 1_234);
  });

  test("of files of two rules in one lot", async () => {
    const app = await appWith(
      200,
      2,
      'temp: [{ files: "tmp/0/*" }, { files: "tmp/1/*" }]\nlimits: { files: 150 }',
    );
    const { error, report } = await app.run("clean-temp-files", CALLED);
    expect(String(error)).toContain("limits.files (150) is reached: 150 files were removed");
    expect(report.totals.done).toBe(150);
    expect(app.left()).toHaveLength(50);
  });

  test("of bytes", async () => {
    const app = await appWith(2_400, 60, 'temp: [{ files: "tmp/**" }]\nlimits: { bytes: 3001B }');
    const { error, report } = await app.run("clean-temp-files", CALLED);
    expect(String(error)).toContain("limits.bytes");
    expect(report.totals).toMatchObject({ done: 1_500, bytes: 3_000 });
    expect(app.left()).toHaveLength(900);
  });

  test("of a rule's share", async () => {
    const rules = '[{ files: "tmp/*/1*", share: 50% }, { files: "tmp/**", share: 100% }]';
    const app = await appWith(1_000, 25, `temp: ${rules}`);
    const rehearsed = new Map(app.config.temp.map((rule) => [rule, 40])); // there were fewer then
    const { error } = await app.run("clean-temp-files", { ...CALLED, rehearsed });
    expect(String(error)).toContain("limits.share (50% of what tmp/*/1* matches) is reached");
    const isOfFirst = (path: string) => path.includes("/1");
    expect(app.left().filter(isOfFirst)).toHaveLength(111 - 20);
  });

  test("what was gone by then takes no room", async () => {
    const app = await appWith(100, 1, 'temp: [{ files: "tmp/**", olderThan: 1h }]\nlimits: { files: 600 }');
    for (let n = 0; n < 600; n += 1) put(app.root, `tmp/first-${n}`, "x", DAY); // a walk of its own
    put(app.root, "tmp/young", "x", 0); // told before the lot is begun
    const onProgress = () => {
      for (let n = 0; n < 100; n += 1) rmSync(join(app.root, `tmp/first-${n}`), { force: true });
    };
    const { error, report } = await app.run("clean-temp-files", { ...CALLED, onProgress });
    expect(error).toBeUndefined();
    expect(report.totals).toMatchObject({ done: 700, kept: 1 });
    expect(readdirSync(join(app.root, "tmp")).sort()).toEqual(["0", "young"]);
  });
});

test("what a process has open stays, and the report says which process", async () => {
  const app = await makeApp('temp: [{ files: "tmp/**" }, { directories: cache }]');
  for (let n = 0; n < 40; n += 1) put(app.root, `tmp/${n % 4}/${n}`);
  const held = [put(app.root, "cache/a.pyc"), join(app.root, "tmp/3/7")].map((path) => openSync(path, "r"));
  try {
    const { lines, report } = await app.run("clean-temp-files", CALLED);
    expect(lines).toContain(`tmp/3/7: kept: pid ${process.pid} has it open`);
    expect(lines).toContain("cache: kept: cache/a.pyc in it is open");
    expect(report.totals).toMatchObject({ done: 39, kept: 2 });
    expect(leftIn(app.root)).toEqual(expect.arrayContaining(["tmp/3/7", "cache/a.pyc"]));
  } finally {
    for (const fd of held) closeSync(fd);
  }
});

test("a lot that is lost with its sweeper is removed without it: nothing is left, written or counted twice", async () => {
  const app = await appWith(
    300,
    10,
    'temp: [{ files: "tmp/**", olderThan: 1h }, { directories: "**/cache" }]',
  );
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
  expect(app.left()).toEqual(["0/young"]);
  const written = writtenDown(app.root);
  expect(new Set(written).size).toBe(written.length);
  expect(written).toHaveLength(320);
});

test("when a run is aborted what was begun is finished and told, and nothing else goes", async () => {
  const app = await appWith(6_000, 150);
  const { error, report } = await app.run("clean-temp-files", { ...CALLED, ...abortedOnceTold() });
  expect(String(error)).toContain("enough");
  expect(report.totals.done).toBeGreaterThan(0);
  expect(app.left().length).toBe(6_000 - report.totals.done);
  expect(app.left().length).toBeGreaterThan(0);
});

test("what is not written down does not go", async () => {
  const app = await appWith(300, 10);
  put(app.root, ".safe-shutdown", "in the way");
  const { error, report } = await app.run("clean-temp-files", CALLED);
  expect(String(error)).toContain(".safe-shutdown");
  expect(report.totals.done).toBe(0);
  expect(app.left()).toHaveLength(300);
});
