import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { restore } from "../../src/flow/restore.ts";
import type { Effect, Mode } from "../../src/report/report.ts";
import { systemClock } from "../../src/system/clock.ts";
import type { FileEntry, Files } from "../../src/system/files.ts";
import { untilOf } from "../../src/system/quarantine.ts";
import { Restorer } from "../../src/system/restorer.ts";
import { makeApp } from "../support/app.ts";
import { FILE_SYSTEMS } from "../support/file-systems.ts";
import { all, DAY, handsOn, mountAt, put, RUN, removed, seen, stoppedClock } from "../support/hands.ts";
import { diff, snapshot } from "../support/listing.ts";
import { isRoot } from "../support/plain-user.ts";
import { temporaryDirectory } from "../support/temp.ts";

/** What happens right before a system call: a window too narrow to hit by chance. */
const moment = vi.hoisted(() => ({
  before: {} as Record<string, ((...paths: string[]) => void) | undefined>,
}));
vi.mock("node:fs", async (original) => {
  const real = await original<typeof import("node:fs")>();
  const at = (call: "renameSync" | "linkSync" | "mkdirSync") => (from: string, to: string) => {
    const act = moment.before[call];
    moment.before[call] = undefined;
    act?.(from, to);
    return real[call](from, to as never);
  };
  return { ...real, renameSync: at("renameSync"), linkSync: at("linkSync"), mkdirSync: at("mkdirSync") };
});

function move(files: Files, entry: FileEntry, keepMs = 7 * DAY): Promise<Effect> {
  return files.removeOne({ entry, reason: "a test", quarantineMs: keepMs });
}

function restoreAll(root: string): Effect[] {
  const restorer = new Restorer(root, RUN, "apply");
  try {
    return [...(restorer.manifest() ?? [])].reverse().map((line) => restorer.restore(line));
  } finally {
    restorer.close();
  }
}

const QUARANTINE = `.safe-shutdown/quarantine/${RUN}`;

describe("a file moved to quarantine", () => {
  test("has a name that says until when, and is the same file", async () => {
    const root = temporaryDirectory();
    const clock = stoppedClock(Date.UTC(2027, 0, 24, 0, 5));
    const { files } = handsOn(root, { ownRoot: root, clock });
    put(root, "logs/a.log.1", "content");
    expect(await move(files, seen(files, "logs/a.log.1"))).toEqual({
      outcome: "done",
      bytes: 0,
      reason: "moved to quarantine until 2027-01-31T00:05:00.000Z",
    });
    const [name = ""] = readdirSync(join(root, QUARANTINE));
    expect(name).toMatch(/^20270131T000500Z-[0-9a-f]{16}-a\.log\.1$/);
    expect(untilOf(name)).toBe(Date.UTC(2027, 0, 31, 0, 5));
    expect(readFileSync(join(root, QUARANTINE, name), "utf8")).toBe("content");
  });

  test("may be kept till the end of all four-digit years, and no longer", async () => {
    const root = temporaryDirectory();
    const { files } = handsOn(root, { ownRoot: root });
    put(root, "a");
    await move(files, seen(files, "a"), 10_000 * 366 * DAY);
    expect(readdirSync(join(root, QUARANTINE))[0]).toMatch(/^99991231T000000Z-/);
  });

  test("turns out to be another by then: that one is put back", async () => {
    const root = temporaryDirectory();
    const { files } = handsOn(root, { ownRoot: root });
    const full = put(root, "a", "old");
    const entry = seen(files, "a");
    moment.before.renameSync = () => {
      writeFileSync(`${full}.new`, "somebody else's");
      unlinkSync(full);
      renameSync(`${full}.new`, full);
    };
    expect(await move(files, entry)).toEqual({
      outcome: "changed",
      reason: "it is no longer what was looked at",
    });
    expect(readFileSync(full, "utf8")).toBe("somebody else's");
    expect(readdirSync(join(root, QUARANTINE))).toEqual([]);
  });

  test.each([
    { how: "longer", rewrite: (full: string) => appendFileSync(full, " and new") },
    { how: "as long, at another time", rewrite: (full: string) => writeFileSync(full, "new") },
  ])("is rewritten at the last moment, $how: it is put back", async ({ rewrite }) => {
    const root = temporaryDirectory();
    const { files } = handsOn(root, { ownRoot: root });
    const full = put(root, "a", "old");
    const entry = seen(files, "a");
    moment.before.renameSync = () => rewrite(full);
    expect(await move(files, entry)).toEqual({
      outcome: "changed",
      reason: "it is no longer what was looked at",
    });
    expect(readFileSync(full, "utf8")).toContain("new");
    expect(readdirSync(join(root, QUARANTINE))).toEqual([]);
  });

  test.runIf(isRoot)(
    "stays when the kernel cannot move it: a directory in a lower layer",
    async (context) => {
      const overlay = FILE_SYSTEMS["overlayfs with layers on two file systems"]?.();
      if (overlay === undefined) throw new Error("expected an overlay");
      const { root, below } = overlay;
      put(below, "__pycache__/a.pyc");
      if (!overlay.mount()) context.skip("mount is not permitted here");
      const { files } = handsOn(root, { ownRoot: root });
      const entry = seen(files, "__pycache__");
      const unit = (await files.unitOf(entry, ["*.pyc"])).unit;
      expect(await files.removeOne({ entry, unit, reason: "a test", quarantineMs: DAY })).toEqual({
        outcome: "kept",
        reason:
          "it cannot be moved: the quarantine is on another file system, or on another layer of this one",
      });
      expect(existsSync(join(root, "__pycache__/a.pyc"))).toBe(true);
    },
  );

  test("goes at the last moment: nothing is left to do", async () => {
    const root = temporaryDirectory();
    const { files } = handsOn(root, { ownRoot: root });
    const full = put(root, "a");
    moment.before.renameSync = () => unlinkSync(full);
    expect(await move(files, seen(files, "a"))).toMatchObject({ reason: "it was already gone" });
  });

  test("stays when the quarantine goes at the last moment", async () => {
    const root = temporaryDirectory();
    const { files } = handsOn(root, { ownRoot: root });
    const full = put(root, "a");
    moment.before.renameSync = () => rmdirSync(join(root, QUARANTINE));
    expect(await move(files, seen(files, "a"))).toEqual({
      outcome: "kept",
      reason: "it cannot be moved: the quarantine is gone",
    });
    expect(existsSync(full)).toBe(true);
  });

  test.runIf(isRoot)(
    "stays when the quarantine is on another file system; what is only removed goes",
    async (context) => {
      const root = temporaryDirectory();
      const { files } = handsOn(root, { ownRoot: root });
      for (const name of ["a", "b"]) put(root, name);
      mkdirSync(join(root, ".safe-shutdown/quarantine"), { recursive: true, mode: 0o700 });
      if (!mountAt(join(root, ".safe-shutdown/quarantine"), "-t", "tmpfs", "-o", "mode=0700", "tmpfs"))
        context.skip("mount is not permitted here");
      expect(await move(files, seen(files, "a"))).toMatchObject({
        outcome: "kept",
        reason: expect.stringContaining("it is on another file system"),
      });
      expect((await removed(files, seen(files, "b"))).outcome).toBe("done");
      expect(existsSync(join(root, "a"))).toBe(true);
    },
  );

  test("stays when the quarantine is somebody else's link", async () => {
    const root = temporaryDirectory();
    const outside = temporaryDirectory();
    const { files } = handsOn(root, { ownRoot: root });
    put(root, "a");
    mkdirSync(join(root, ".safe-shutdown"), { mode: 0o700 });
    symlinkSync(outside, join(root, ".safe-shutdown/quarantine"));
    expect(await move(files, seen(files, "a"))).toMatchObject({
      outcome: "kept",
      reason: expect.stringContaining("it is a symbolic link"),
    });
    expect([readdirSync(outside), existsSync(join(root, "a"))]).toEqual([[], true]);
  });
});

describe("restoring does not overwrite what comes there at the last moment", () => {
  test("a file", async () => {
    const root = temporaryDirectory();
    const { files } = handsOn(root, { ownRoot: root });
    const full = put(root, "a", "old");
    await move(files, seen(files, "a"));
    moment.before.linkSync = () => writeFileSync(full, "new");
    expect(restoreAll(root)).toEqual([{ outcome: "changed", reason: "something else is there now" }]);
    expect(readFileSync(full, "utf8")).toBe("new");
    expect(readdirSync(join(root, QUARANTINE))).toHaveLength(1);
  });

  test.each([
    { when: "before its place is taken", call: "mkdirSync", early: true },
    { when: "after its place is taken", call: "renameSync", early: false },
  ])("a directory, $when", async ({ call, early }) => {
    const root = temporaryDirectory();
    const { files } = handsOn(root, { ownRoot: root });
    put(root, "__pycache__/a.pyc", "old");
    const entry = seen(files, "__pycache__");
    const { unit } = await files.unitOf(entry, ["*.pyc"]);
    await files.removeOne({ entry, unit, reason: "a test", quarantineMs: DAY });
    moment.before[call] = () => {
      if (early) mkdirSync(join(root, "__pycache__"));
      writeFileSync(join(root, "__pycache__/new"), "new");
    };
    expect(restoreAll(root)).toEqual([{ outcome: "changed", reason: "something else is there now" }]);
    expect(readdirSync(join(root, "__pycache__"))).toEqual(["new"]);
    expect(readdirSync(join(root, QUARANTINE))).toHaveLength(1);
  });
});

test("a directory is put back before what was moved out of it; a plan knows that it would be there", async () => {
  const { root, config } = await makeApp("temp: []");
  const { files } = handsOn(root, { ownRoot: root });
  for (const name of ["a.lock", "b.pyc"]) put(root, `__pycache__/${name}`);
  await move(files, seen(files, "__pycache__/a.lock"));
  const entry = seen(files, "__pycache__");
  const { unit } = await files.unitOf(entry, ["*.pyc"]);
  await files.removeOne({ entry, unit, reason: "a test", quarantineMs: DAY });

  const go = (mode: Mode) => restore(config, RUN, { paths: [], mode, clock: systemClock, id: "run-restore" });

  expect(go("plan")).toMatchObject({ verdict: "done", jobs: [{ totals: { planned: 2, changed: 0 } }] });
  expect(go("apply")).toMatchObject({ verdict: "done", jobs: [{ totals: { done: 2, changed: 0 } }] });
  expect(readdirSync(join(root, "__pycache__")).toSorted()).toEqual(["a.lock", "b.pyc"]);
});

test("whatever the tree: what is moved to quarantine and restored is as it was", async () => {
  const name = fc.oneof(
    fc.constantFrom("a", "b", "c.pyc", "-rf", "a b", "__pycache__", "\n", "ä", "~", "{x}", "*"),
    fc
      .string({ unit: "binary", minLength: 1, maxLength: 20 })
      .filter((text) => !/[/\0\ufffd]|^\.+$/.test(text) && Buffer.from(text).toString() === text),
  );
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
  const file = fc.record({ path, content: fc.string({ maxLength: 50 }), ageMs: fc.nat(100 * DAY) });
  const tree = fc.array(file, { maxLength: 15 });
  const rules = [
    { patterns: ["a/**", "**/*.pyc"], kind: "files" },
    { patterns: ["**/__pycache__"], kind: "directories" },
    { patterns: ["**/b", "?"], kind: "files" },
  ];
  await fc.assert(
    fc.asyncProperty(tree, async (list) => {
      const root = temporaryDirectory();
      for (const { path, content, ageMs } of list) putIfPossible(root, path, content, ageMs);
      const before = snapshot(root);
      const { files } = handsOn(root, { ownRoot: root });
      let moved = 0;
      for (const { entry, rule } of await all(files.find(rules))) {
        if (entry === undefined) continue;
        const unit = rule.kind === "directories" ? await files.unitOf(entry, ["*"]) : undefined;
        if (unit?.obstacle !== undefined) continue;
        const effect = await files.removeOne({
          ...{ entry, reason: "a test", quarantineMs: DAY },
          ...(unit !== undefined && { unit: unit.unit }),
        });
        expect(effect.outcome).toBe("done");
        moved += 1;
      }
      const effects = restoreAll(root);
      expect(effects.map(({ outcome }) => outcome)).toEqual(Array(moved).fill("done"));
      const { added, removed, changed } = diff(before, snapshot(root));
      expect([added.filter((one) => !one.startsWith(".safe-shutdown")), removed]).toEqual([[], []]);
      expect(changed.filter((line) => !/: (modifiedAtNs, )?changedAtNs$/.test(line))).toEqual([]);
    }),
    { numRuns: 60 },
  );
}, 60_000);

/** A path may lead through what is a file already. */
function putIfPossible(root: string, path: string, content: string, ageMs: number): void {
  try {
    put(root, path, content, ageMs);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}
