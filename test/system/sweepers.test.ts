import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { waitUntil } from "../../demo/processes.ts";
import { lookAt } from "../../src/system/file-entry.ts";
import { readProcess } from "../../src/system/proc.ts";
import { isSafeShutdown } from "../../src/system/strays.ts";
import { REMEMBERED } from "../../src/system/sweep.ts";
import { Sweepers } from "../../src/system/sweepers.ts";
import { abortedOnceTold, makeApp } from "../support/app.ts";
import { DAY, put } from "../support/hands.ts";
import { diff, snapshot } from "../support/listing.ts";
import { CALLED, leftIn, sweepers, writtenDown } from "../support/sweeping.ts";
import { temporaryDirectory } from "../support/temp.ts";

/* Where there is much to do, other processes walk and remove. They are called at once here: nothing else may differ. */

const CONFIG = `temp:
  - { files: "logs/**/*.log.*", olderThan: 7d }
  - { directories: "**/__pycache__" }
  - { files: "aside/**", quarantine: 7d }
  - { files: "**/*.pyc" }
locks: [{ files: "*.lock" }, { files: "code/held.pyc" }]
preserve: [data/**, "**/kept.pyc"]
`;

function plant(root: string): void {
  for (let n = 0; n < 700; n += 1) put(root, `logs/${n % 5}/app.log.${n}`, `${n}`, 10 * DAY);
  for (let n = 0; n < 40; n += 1) {
    put(root, `logs/${n % 5}/young.log.${n}`);
    put(root, `code/${n}/__pycache__/a.pyc`, "0123456789");
    put(root, `code/${n}/__pycache__/b.pyc`);
    put(root, `code/${n}/c.pyc`);
    put(root, `data/${n}/__pycache__/d.pyc`);
  }
  put(root, "code/7/__pycache__/notes.txt");
  for (const name of ["kept.pyc", "held.pyc", "a\nb.pyc", "-rf.pyc"]) put(root, `code/${name}`);
  put(root, "aside/a");
  put(root, "env/pyvenv.cfg");
  put(root, "env/lib/x.pyc");
  symlinkSync("code", join(root, "link"));
  symlinkSync("/etc/hostname", join(root, "code/link.pyc"));
  execFileSync("mkfifo", [join(root, "code/fifo.pyc")]);
  writeFileSync(Buffer.concat([Buffer.from(`${root}/code/`), Buffer.from([0xff]), Buffer.from(".pyc")]), "");
}

async function planted() {
  const app = await makeApp(CONFIG);
  plant(app.root);
  return app;
}

test.each(["apply", "plan"] as const)(
  "the report and what is left are the same with sweepers (%s)",
  async (mode) => {
    const [alone, together] = [await planted(), await planted()];
    const expected = await alone.run("clean-temp-files", { mode });
    const ran = await together.run("clean-temp-files", { mode, ...CALLED });
    expect(ran.error).toBeUndefined();
    const withoutTimes = (lines: readonly string[]) =>
      lines.map((line) => line.replace(/until \S+/, "until"));
    expect(withoutTimes(ran.lines)).toEqual(withoutTimes(expected.lines));
    expect(ran.report.totals).toEqual(expected.report.totals);
    expect(leftIn(together.root)).toEqual(leftIn(alone.root));
    if (mode === "apply") expect(writtenDown(together.root)).toEqual(writtenDown(alone.root));
    await waitUntil(() => sweepers().length === 0, "the sweepers to end");
  },
);

test.each([
  { limit: 3, left: 7 },
  { limit: 10, left: 0 },
])("a limit of $limit is kept to", async ({ limit, left }) => {
  const app = await makeApp(`temp: [{ files: "tmp/**" }]\nlimits: { files: ${limit} }`);
  for (let n = 0; n < 10; n += 1) put(app.root, `tmp/${n % 3}/${n}`);
  const { error, report } = await app.run("clean-temp-files", CALLED);
  expect(report.totals.done).toBe(10 - left);
  expect(leftIn(join(app.root, "tmp")).filter((path) => path.includes("/"))).toHaveLength(left);
  if (left > 0)
    expect(String(error)).toContain(`limits.files (${limit}) is reached: ${limit} files were removed`);
  else expect(error).toBeUndefined();
});

/** Moves the world once, after the first look and before the first removal: something young is told then. */
async function moved(config: string, arrange: (root: string) => void, change: (root: string) => void) {
  const app = await makeApp(config);
  arrange(app.root);
  put(app.root, "tmp/young", "x", 0);
  let isDone = false;
  const onProgress = () => {
    if (isDone) return;
    expect(sweepers()).not.toEqual([]);
    change(app.root);
    isDone = true;
  };
  const ran = await app.run("clean-temp-files", { ...CALLED, onProgress });
  expect(isDone).toBe(true);
  return { ...ran, root: app.root };
}

const OLD = 'temp: [{ files: "tmp/**", olderThan: 1h }, { directories: "tmp/*", holding: ["*.pyc"] }]';

test("a directory that becomes a link between look and removal is not acted in, nor what it leads to", async () => {
  const outside = temporaryDirectory();
  for (let n = 0; n < 20; n += 1) put(outside, `${n}`, "canary", 2 * DAY);
  const before = snapshot(outside);
  const { report, root } = await moved(
    'temp: [{ files: "tmp/**", olderThan: 1h }]',
    (root) => {
      for (let n = 0; n < 20; n += 1) put(root, `tmp/logs/${n}`, "victim", 2 * DAY);
    },
    (root) => {
      renameSync(join(root, "tmp/logs"), join(root, "moved"));
      symlinkSync(outside, join(root, "tmp/logs"));
    },
  );
  expect(report.totals).toMatchObject({ done: 0, changed: 20 });
  expect(diff(before, snapshot(outside))).toEqual({ added: [], removed: [], changed: [] });
  expect(readdirSync(join(root, "moved"))).toHaveLength(20);
});

test("a file that is rewritten between look and removal stays", async () => {
  const { report, root } = await moved(
    'temp: [{ files: "tmp/**", olderThan: 1h }]',
    (root) => {
      for (let n = 0; n < 20; n += 1) put(root, `tmp/${n}`, "old", 2 * DAY);
    },
    (root) => appendFileSync(join(root, "tmp/7"), "new"),
  );
  expect(report.totals).toMatchObject({ done: 19, changed: 1 });
  expect(readdirSync(join(root, "tmp")).sort()).toEqual(["7", "young"]);
});

test("a directory that something is put into between look and removal stays whole", async () => {
  const { lines, root } = await moved(
    OLD,
    (root) => put(root, "tmp/cache/a.pyc"),
    (root) => put(root, "tmp/cache/notes.txt"),
  );
  expect(lines).toContain('tmp/cache: changed: it holds "notes.txt"');
  expect(readdirSync(join(root, "tmp/cache")).sort()).toEqual(["a.pyc", "notes.txt"]);
});

test("what was begun when a run is aborted is told", async () => {
  const app = await planted();
  const { error, report } = await app.run("clean-temp-files", { ...CALLED, ...abortedOnceTold() });
  expect(String(error)).toContain("enough");
  const gone = (await planted()).root;
  const files = (root: string) => leftIn(root).filter((path) => /\.log\.|pyc$|__pycache__$/.test(path));
  const removed = files(gone).length - files(app.root).length;
  expect(removed > 0).toBe(report.totals.done > 0);
  await waitUntil(() => sweepers().length === 0, "the sweepers to end");
});

test.each([
  { when: "while it walks", directories: 300, isStopped: false },
  // so large a directory is walked by the job itself
  { when: "with what it is to remove", directories: 1, isStopped: true },
])("a sweeper that is lost $when is told of, and the rest is done without it", async (given) => {
  const { directories, isStopped } = given;
  const app = await makeApp('temp: [{ files: "tmp/**" }]');
  for (let n = 0; n < 4_000; n += 1) put(app.root, `tmp/${n % directories}/${n}-${"x".repeat(40)}`);
  const told: string[] = [];
  const lost: number[] = [];
  const kill = () => {
    for (const pid of lost) process.kill(pid, "SIGKILL");
  };
  const running = app.run("clean-temp-files", {
    ...CALLED,
    tell: (what) => told.push(what),
    onProgress: () => {
      if (lost.length > 0) return;
      lost.push(...sweepers());
      if (!isStopped) return kill();
      for (const pid of lost) process.kill(pid, "SIGSTOP");
      setTimeout(kill, 500); // by then they were given more to do
    },
  });
  const { error, report } = await running;
  expect(error).toBeUndefined();
  expect(lost.length).toBeGreaterThan(0);
  expect(told).toHaveLength(lost.length);
  expect(told[0]).toContain("was lost (it ended with SIGKILL): going on without it");
  expect(report.totals).toMatchObject({ done: 4_000, failed: 0 });
  expect(leftIn(join(app.root, "tmp")).filter((path) => path.includes("/"))).toEqual([]);
});

test("a sweeper is known as one of ours, and ends with the process that called it", async () => {
  const program = fileURLToPath(new URL("../support/sweeper-caller.ts", import.meta.url));
  const caller = fork(program, [temporaryDirectory()], { execArgv: ["--import", "tsx"] });
  await once(caller, "message");
  const [pid] = sweepers(caller.pid);
  expect(pid).toBeDefined();
  expect(isSafeShutdown(readProcess(pid ?? 0)?.commandLine ?? "")).toBe(true);
  caller.kill("SIGKILL");
  await once(caller, "exit");
  await waitUntil(() => !existsSync(`/proc/${pid}`), "the sweeper to end");
});

describe("who has found something removes it", () => {
  const RULES = [{ patterns: ["tmp/**"] }, { kind: "directories", patterns: ["cache"], holding: ["*.pyc"] }];

  function called(root: string) {
    const lost: string[] = [];
    const sweepers = new Sweepers({ root, rules: RULES, preserve: [] }, (why) => lost.push(why));
    onTestFinished(() => sweepers.close());
    return { sweepers, lost };
  }

  test("also when that was so long ago that it has forgotten", async () => {
    const root = temporaryDirectory();
    for (let n = 0; n < 20; n += 1) put(root, `tmp/${n}`);
    const { sweepers, lost } = called(root);
    const first = await sweepers.walk(["tmp"]);
    for (let n = 0; n < 3 * REMEMBERED * sweepers.amount; n += 1) await sweepers.walk([""]);
    const condemned = (first?.entries ?? []).slice(5).map((entry) => ({ entry, reason: "old" }));
    const effects = await sweepers.remove(condemned);
    expect(effects).toEqual(condemned.map(() => ({ outcome: "done", bytes: 1 })));
    expect(leftIn(join(root, "tmp")).sort()).toEqual(
      first?.entries
        .slice(0, 5)
        .map(({ path }) => path.slice(4))
        .sort(),
    );
    expect(lost).toEqual([]);
  });

  test("a unit that was looked into once more goes as it was then", async () => {
    const root = temporaryDirectory();
    put(root, "cache/a.pyc");
    const { sweepers } = called(root);
    const [entry] = (await sweepers.walk([""]))?.entries ?? [];
    if (entry === undefined) throw new Error("expected cache to be found");
    put(root, "cache/b.pyc");
    const files = ["cache/a.pyc", "cache/b.pyc"].flatMap((path) => lookAt(join(root, path), path) ?? []);
    const unit = { files, holding: ["*.pyc"], look: () => expect.unreachable() };
    expect(await sweepers.remove([{ entry, reason: "cache", unit }])).toEqual([
      { outcome: "done", bytes: 2 },
    ]);
    expect(leftIn(root)).toEqual([]);
  });
});
