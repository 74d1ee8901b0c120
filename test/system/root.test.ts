import { mkdirSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { resolveRoot } from "../../src/system/root.ts";
import { put } from "../support/hands.ts";
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
