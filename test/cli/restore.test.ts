import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RunReport } from "../../src/report/report.ts";
import { cliIn, reasonOf, reportOf, targetsOf, useApplication } from "../support/application.ts";
import { DAY, put } from "../support/hands.ts";
import { diff, snapshot } from "../support/listing.ts";
import { temporaryDirectory } from "../support/temp.ts";

const CONFIG = `app: scraper
temp:
  - files: old/**
    olderThan: 1d
    quarantine: 7d
  - directories: "**/__pycache__"
    quarantine: 7d
  - files: gone/**
`;
const QUARANTINE = ".safe-shutdown/quarantine";

async function useCleaned(...paths: string[]) {
  const root = await useApplication({}, CONFIG);
  for (const path of paths) put(root, path, path, 2 * DAY);
  const before = snapshot(root);
  const cleaned = reportOf(await cliIn(root).run("clean clean-temp-files --yes --inline --json"));
  const run = cleaned.run;
  const restore = async (words = "") => {
    const result = await cliIn(root).run(`restore ${run} --yes --json ${words}`);
    return { ...result, report: reportOf(result) };
  };
  return { root, before, cleaned, run, restore };
}

/** What differs once our own directory and the times of directories are left out. */
function differences(root: string, before: ReturnType<typeof snapshot>): string[] {
  const { added, removed, changed } = diff(before, snapshot(root));
  const isDirectory = (line: string) => before.get(line.replace(/: .*/, ""))?.type === "directory";
  return [
    ...added.filter((path) => !path.startsWith(".safe-shutdown")),
    ...removed,
    ...changed.filter((line) => !isDirectory(line) && !/: changedAtNs$/.test(line)),
  ];
}

test("what was moved is put back as it was, files and directories", async () => {
  const { root, before, cleaned, restore } = await useCleaned("old/a", "old/b/c", "app/__pycache__/m.pyc");
  expect(targetsOf(cleaned, "done")).toEqual(["app/__pycache__", "old/a", "old/b/c"]);
  expect(reasonOf(cleaned, "old/a")).toMatch(/^moved to quarantine until 20\d\d-/);
  expect(["old/a", "old/b/c", "app/__pycache__"].filter((path) => existsSync(join(root, path)))).toEqual([]);

  const { code, report } = await restore();

  expect(code).toBe(0);
  expect(report).toMatchObject({ flow: "restore", mode: "apply", verdict: "done" });
  expect(targetsOf(report, "done")).toEqual(["app/__pycache__", "old/a", "old/b/c"]);
  expect(differences(root, before)).toEqual([]);
  expect(readdirSync(join(root, QUARANTINE))).toEqual([]);
});

test("only what is asked for: a file, or a directory with all below it", async () => {
  const { root, restore } = await useCleaned("old/a", "old/b/c", "old/b/d", "old/bc");
  const { report } = await restore("old/b ./old/a");
  expect(targetsOf(report, "done")).toEqual(["old/a", "old/b/c", "old/b/d"]);
  expect(existsSync(join(root, "old/bc"))).toBe(false);
  expect(targetsOf((await restore()).report, "done")).toEqual(["old/bc"]);
});

test("a dry run says what would be put back, and touches nothing", async () => {
  const { root, run } = await useCleaned("old/a", "app/__pycache__/m.pyc");
  const before = snapshot(root);
  const report = reportOf(await cliIn(root).run(`restore ${run} --dry-run --json`));
  expect([report.mode, targetsOf(report, "planned")]).toEqual(["plan", ["app/__pycache__", "old/a"]]);
  expect(diff(before, snapshot(root))).toEqual({ added: [], removed: [], changed: [] });
});

test("what was removed, or is not known, is said path by path", async () => {
  const { run, restore } = await useCleaned("old/a", "gone/b");
  const everything = await restore();
  expect([everything.code, everything.report.verdict]).toEqual([0, "done"]);
  expect(reasonOf(everything.report, "gone/b")).toBe("it was removed, not moved to quarantine");

  const named = await restore("gone/b nowhere/x old/a");
  expect([named.code, named.report.verdict]).toEqual([3, "partial"]);
  expect(reasonOf(named.report, "nowhere/x")).toBe(`${run} did not remove it here`);
  expect(reasonOf(named.report, "old/a")).toBe("it is there");
});

describe("never overwrites", () => {
  test.each([
    { what: "a file", make: (path: string) => writeFileSync(path, "new") },
    { what: "a link to nothing", make: (path: string) => symlinkSync("/nowhere", path) },
    { what: "a directory", make: (path: string) => mkdirSync(path) },
  ])("$what that is there now: the rest is put back", async ({ make }) => {
    const { root, restore } = await useCleaned("old/a", "old/b", "app/__pycache__/m.pyc");
    make(join(root, "old/a"));
    make(join(root, "app/__pycache__"));
    const before = snapshot(root);
    const { code, report } = await restore();
    expect(code).toBe(3);
    expect(targetsOf(report, "done")).toEqual(["old/b"]);
    expect(targetsOf(report, "changed")).toEqual(["app/__pycache__", "old/a"]);
    expect(reasonOf(report, "old/a")).toBe("something else is there now");
    const { removed, changed } = diff(before, snapshot(root));
    expect(removed.filter((path) => !path.endsWith("-b"))).toEqual([]);
    expect(changed.filter((line) => line.includes("old/a") || line.includes("__pycache__"))).toEqual([]);
  });
});

test("a directory that became a link is not followed; one that is gone is not made", async () => {
  const { root, restore } = await useCleaned("old/a", "old/sub/b");
  const outside = temporaryDirectory();
  rmSync(join(root, "old/sub"), { recursive: true });
  renameSync(join(root, "old"), join(root, "moved"));
  symlinkSync(outside, join(root, "old"));
  const { report } = await restore();
  expect(reasonOf(report, "old/a")).toMatch(/^its directory: it is (a symbolic link|really )/);
  expect(targetsOf(report, "changed")).toEqual(["old/a", "old/sub/b"]);
  expect(readdirSync(outside)).toEqual([]);
});

test("killed between its two names, a file is back at the next try", async () => {
  const { root, before, run, restore } = await useCleaned("old/a");
  const [name = ""] = readdirSync(join(root, QUARANTINE, run));
  linkSync(join(root, QUARANTINE, run, name), join(root, "old/a"));
  const { report } = await restore();
  expect(targetsOf(report, "done")).toEqual(["old/a"]);
  expect(statSync(join(root, "old/a")).nlink).toBe(1);
  expect(differences(root, before)).toEqual([]);
});

describe("hard cases of names and modes", () => {
  const names = ["a\nb", "-rf", "\u001b[31m", "ä".repeat(127), "x".repeat(255), "é ", "'\"$(x)"];

  test("come back with their modes and times", async () => {
    const root = await useApplication({}, CONFIG);
    for (const [n, name] of names.entries()) {
      const path = put(root, `old/${name}`, `content ${n}`, (2 + n) * DAY);
      chmodSync(path, [0o600, 0o4755, 0o000, 0o644][n % 4] ?? 0o600);
    }
    put(root, "old/secret", "", 2 * DAY);
    const before = snapshot(root);
    const { run } = reportOf(await cliIn(root).run("clean clean-temp-files --yes --inline --json"));
    expect(readdirSync(join(root, "old"))).toEqual([]);
    const report = reportOf(await cliIn(root).run(`restore ${run} --yes --json`)) as RunReport;
    expect(report.verdict).toBe("done");
    expect(differences(root, before)).toEqual([]);
  });
});

describe("asks and refuses like other commands", () => {
  test("without a terminal it names the flags", async () => {
    const { root, run } = await useCleaned("old/a");
    const { code, stderr } = await cliIn(root).run(`restore ${run}`);
    expect(code).toBe(4);
    expect(stderr).toMatch(/asks before it acts, .* Say --yes to go ahead, or --dry-run to only look\./);
    expect(existsSync(join(root, "old/a"))).toBe(false);
  });

  test.each(["run-unknown", "../../etc", "run-../../x", "run-a/b"])(
    "the run %s is not known",
    async (run) => {
      const { root } = await useCleaned();
      const { code, stderr } = await cliIn(root).run(`restore ${run} --yes`);
      expect(code).toBe(2);
      expect(stderr).toMatch(/removed nothing here, or so long ago that it is forgotten/);
    },
  );
});

test("what has been in quarantine for long enough is removed by the next clean, and written down", async () => {
  const { root, run, cleaned } = await useCleaned("old/a", "old/b", "app/__pycache__/m.pyc");
  expect(cleaned.jobs[0]?.totals).toMatchObject({ done: 3, bytes: 0 });
  const held = join(root, QUARANTINE, run);
  const [first = "", second = "", third = ""] = readdirSync(held).sort();
  const past = (name: string) => name.replace(/^\d{8}/, "20200101");
  for (const name of [first, second, third].filter((one) => !one.endsWith("-b")))
    renameSync(join(held, name), join(held, past(name)));
  put(root, `${QUARANTINE}/${run}/stranger`, "x");

  const next = reportOf(await cliIn(root).run("clean clean-temp-files --yes --inline --json"));

  const left = readdirSync(held).sort();
  expect(left).toEqual([expect.stringMatching(/-b$/), "stranger"]);
  expect(targetsOf(next, "done")).toHaveLength(2);
  expect(reasonOf(next, `${QUARANTINE}/${run}/${left[0]}`)).toMatch(/^in quarantine for another 6d 23h$/);
  expect(reasonOf(next, `${QUARANTINE}/${run}/stranger`)).toMatch(/does not say until when/);
  const manifest = readFileSync(join(root, `.safe-shutdown/${next.run}.jsonl`), "utf8");
  expect(manifest.split("\n").filter((line) => line.includes("its time in quarantine is over"))).toHaveLength(
    3,
  );
  const again = reportOf(await cliIn(root).run(`restore ${run} --yes --json`));
  expect(reasonOf(again, "old/a")).toBe("it is no longer in quarantine");
});
