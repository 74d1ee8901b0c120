import { mkdirSync, readdirSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { handsOn, put, removed, removedUnit, seen } from "../support/hands.ts";
import { temporaryDirectory } from "../support/temp.ts";

/* What happens between the last look and the system call: a window too narrow to hit by chance. */

const moment = vi.hoisted(() => ({
  before: { unlink: undefined as (() => void) | undefined, rmdir: undefined as (() => void) | undefined },
}));

vi.mock("node:fs", async (original) => {
  const real = await original<typeof import("node:fs")>();
  const once = (call: "unlink" | "rmdir") => {
    const act = moment.before[call];
    moment.before[call] = undefined;
    act?.();
  };
  return {
    ...real,
    unlinkSync: (path: string) => {
      once("unlink");
      real.unlinkSync(path);
    },
    rmdirSync: (path: string) => {
      once("rmdir");
      real.rmdirSync(path);
    },
  };
});

test("a file that goes at the last moment counts as done", async () => {
  const root = temporaryDirectory();
  const full = put(root, "a");
  const { files } = handsOn(root);
  moment.before.unlink = () => rmSync(full);
  expect(await removed(files, seen(files, "a"))).toEqual({
    outcome: "done",
    bytes: 0,
    reason: "it was already gone",
  });
});

test("a file whose name becomes a directory's at the last moment fails, and the directory stays", async () => {
  const root = temporaryDirectory();
  const full = put(root, "a");
  const { files } = handsOn(root);
  moment.before.unlink = () => {
    unlinkSync(full);
    mkdirSync(full);
  };
  expect((await removed(files, seen(files, "a"))).outcome).toBe("failed");
  expect(readdirSync(root)).toEqual(["a"]);
});

test("a directory that something is put into at the last moment stays, with it", async () => {
  const root = temporaryDirectory();
  put(root, "__pycache__/a.pyc");
  const { files } = handsOn(root);
  moment.before.rmdir = () => writeFileSync(join(root, "__pycache__/new.txt"), "");
  expect(await removedUnit(files, seen(files, "__pycache__"), ["*.pyc"])).toEqual({
    outcome: "changed",
    reason: "something was put into it meanwhile",
  });
  expect(readdirSync(join(root, "__pycache__"))).toEqual(["new.txt"]);
});

test("a directory that goes at the last moment counts as done", async () => {
  const root = temporaryDirectory();
  put(root, "__pycache__/a.pyc");
  const { files } = handsOn(root);
  moment.before.rmdir = () => rmdirSync(join(root, "__pycache__"));
  expect((await removedUnit(files, seen(files, "__pycache__"), ["*.pyc"])).outcome).toBe("done");
  expect(readdirSync(root)).toEqual([]);
});
