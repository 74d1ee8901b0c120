import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Directories, DirectoryChanged, release } from "../../src/system/directory.ts";
import { mountAt, put } from "../support/hands.ts";
import { temporaryDirectory } from "../support/temp.ts";

function directoriesOf(root: string): Directories {
  const directories = new Directories(root);
  onTestFinished(() => directories.close());
  return directories;
}

test("a file is reached through its directory, wherever that is moved inside the kernel's knowledge", () => {
  const root = temporaryDirectory();
  put(root, "a/b/file", "mine");
  expect(readFileSync(directoriesOf(root).reach("a/b/file"), "utf8")).toBe("mine");
});

test("a path that was handed out leads to the old directory, not to what took its place", () => {
  const root = temporaryDirectory();
  const outside = temporaryDirectory();
  put(root, "a/file", "mine");
  put(outside, "file", "canary");
  const reached = directoriesOf(root).reach("a/file");

  renameSync(join(root, "a"), join(root, "moved"));
  symlinkSync(outside, join(root, "a"));
  unlinkSync(reached);

  expect(readFileSync(join(outside, "file"), "utf8")).toBe("canary");
  expect(readdirSync(join(root, "moved"))).toEqual([]);
});

test.each([
  {
    that: "is a symbolic link",
    path: "link",
    arrange: (root: string) => symlinkSync("real", join(root, "link")),
  },
  {
    that: "lies behind a symbolic link",
    path: "link/sub",
    arrange: (root: string) => symlinkSync("real", join(root, "link")),
  },
  {
    that: "lies behind a link that leads out of the root",
    path: "link",
    arrange: (root: string) => symlinkSync("/usr", join(root, "link")),
  },
  { that: "is a file", path: "file", arrange: (root: string) => put(root, "file") },
  { that: "is gone", path: "gone", arrange: () => undefined },
])("a directory that $that is not entered", ({ path, arrange }) => {
  const root = temporaryDirectory();
  mkdirSync(join(root, "real/sub"), { recursive: true });
  arrange(root);
  expect(() => directoriesOf(root).hold(path)).toThrow(DirectoryChanged);
  expect(() => directoriesOf(root).reach(`${path}/name`)).toThrow(DirectoryChanged);
});

test("a link is not even opened", () => {
  const root = temporaryDirectory();
  symlinkSync("/usr", join(root, "link"));
  expect(() => directoriesOf(root).hold("link")).toThrow("it is a symbolic link");
});

test.each([
  {
    happens: "is moved away",
    change: (root: string) => renameSync(join(root, "a"), join(root, "b")),
  },
  {
    happens: "is replaced by a link to a directory outside",
    change: (root: string) => {
      renameSync(join(root, "a"), join(root, "b"));
      symlinkSync("/usr", join(root, "a"));
    },
  },
  { happens: "is removed", change: (root: string) => rmSync(join(root, "a"), { recursive: true }) },
])("a directory kept open for the next question is proved again: it $happens", ({ change }) => {
  const root = temporaryDirectory();
  put(root, "a/one");
  const directories = directoriesOf(root);
  directories.reach("a/one");
  change(root);
  expect(() => directories.reach("a/two")).toThrow(DirectoryChanged);
});

test("a directory is not entered when a mount lies on it (skipped where mounting is not allowed)", (context) => {
  const root = temporaryDirectory();
  mkdirSync(join(root, "mounted/sub"), { recursive: true });
  mkdirSync(join(root, "bound"));
  if (!mountAt(join(root, "mounted"), "-t", "tmpfs", "none")) context.skip("mount is not permitted here");
  expect(() => directoriesOf(root).hold("mounted")).toThrow("another file system");

  // a bind mount has the device number of the root itself
  mkdirSync(join(root, "origin"));
  expect(mountAt(join(root, "bound"), "--bind", join(root, "origin"))).toBe(true);
  expect(() => directoriesOf(root).hold("bound")).toThrow("another file system");
});

test("no descriptor stays open", () => {
  const root = temporaryDirectory();
  put(root, "a/one");
  symlinkSync("a", join(root, "link"));
  const before = readdirSync("/proc/self/fd").length;
  const directories = new Directories(root);
  for (let round = 0; round < 50; round += 1) {
    directories.reach("a/one");
    directories.reach("one");
    release(directories.hold("a"));
    expect(() => directories.hold("link")).toThrow();
  }
  directories.close();
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});
