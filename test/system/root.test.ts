import { existsSync, mkdirSync, mkdtempSync, rmdirSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join, relative } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { resolveRoot } from "../../src/system/root.ts";
import { mountAt, put } from "../support/hands.ts";
import { temporaryDirectory } from "../support/temp.ts";

test.each([
  { root: "/", because: "it is the root of the file system" },
  { root: "/.", because: "it is the root of the file system" },
  { root: "/usr/..", because: "it is the root of the file system" },
  { root: homedir(), because: "it is a home directory" },
  { root: `${homedir()}/`, because: "it is a home directory" },
  { root: "/etc", because: "it is a system directory" },
  { root: "/var/log", because: "it is a system directory" },
  { root: "/tmp", because: "it is a system directory" },
  { root: "/usr", because: "it is a system directory" },
  { root: "/etc/apt", because: "it lies in the system directory /etc" },
  { root: "/proc/self", because: "it lies in the system directory /proc" },
  { root: "/dev/shm", because: "it is a system directory" },
])("$root is refused: $because", ({ root, because }) => {
  expect(() => resolveRoot(root)).toThrow(because);
});

test.each([
  { what: "a missing directory", make: () => undefined, because: "cannot be used" },
  { what: "a file", make: (path: string) => put(path, "../app"), because: "is not a directory" },
  {
    what: "a link to a system directory",
    make: (path: string) => symlinkSync("/etc", path),
    because: "system",
  },
  {
    what: "a link to a home directory",
    make: (path: string) => symlinkSync(homedir(), path),
    because: "home",
  },
])("$what is refused", ({ make, because }) => {
  const path = join(temporaryDirectory(), "app");
  make(path);
  expect(() => resolveRoot(path)).toThrow(because);
});

test("a link to an application's directory, and a relative path, are resolved", () => {
  const parent = temporaryDirectory();
  const real = join(parent, "app");
  mkdirSync(real);
  symlinkSync("app", join(parent, "current"));
  expect(resolveRoot(join(parent, "current"))).toBe(real);
  expect(resolveRoot(relative(process.cwd(), real))).toBe(real);
});

test.runIf(existsSync("/dev/shm"))("a directory in the shared memory is anybody's, as one in /tmp is", () => {
  const root = mkdtempSync("/dev/shm/safe-shutdown-test-");
  onTestFinished(() => rmdirSync(root));
  expect(resolveRoot(root)).toBe(root);
});

test.for([
  { what: "a second name of a system directory", args: ["--bind", "/etc"], because: "system directory" },
  { what: "a second name of a home directory", args: ["--bind", homedir()], because: "home directory" },
  { what: "a mount of the kernel's own", args: ["-t", "devpts", "none"], because: "it is on devpts" },
])("$what is refused", ({ args, because }, { skip }) => {
  const directory = temporaryDirectory();
  if (!mountAt(directory, ...args)) skip("mount is not permitted here");
  expect(() => resolveRoot(directory)).toThrow(because);
});
