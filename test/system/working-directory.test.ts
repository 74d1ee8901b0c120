import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { mountAt, put } from "../support/hands.ts";
import { temporaryDirectory } from "../support/temp.ts";

const HOLDER = fileURLToPath(new URL("../support/working-directory.ts", import.meta.url));

/** A process that holds directories below the root as its working directory; answers what it is told, or the error. */
async function holderIn(root: string) {
  const child = fork(HOLDER, [root], { execArgv: ["--import", "tsx"] });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await once(child, "close");
  });
  await once(child, "message");
  return async (ask: "hold" | "reach" | "use what was held", path = "") => {
    const answer = once(child, "message");
    child.send({ ask, path });
    const [said] = await answer;
    return String(said);
  };
}

test("a file is reached by its name alone", async () => {
  const root = temporaryDirectory();
  put(root, "a/b/file");
  const ask = await holderIn(root);
  expect(await ask("reach", "a/b/file")).toBe("file: there");
  expect(await ask("reach", "a/b/none")).toBe("none: not there");
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
])("a directory that $that is not entered", async ({ path, arrange }) => {
  const root = temporaryDirectory();
  mkdirSync(join(root, "real/sub"), { recursive: true });
  arrange(root);
  const ask = await holderIn(root);
  expect(await ask("hold", path)).toMatch(/^DirectoryChanged/);
  expect(await ask("reach", `${path}/name`)).toMatch(/^DirectoryChanged/);
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
])("a directory that is held is proved again: it $happens", async ({ change }) => {
  const root = temporaryDirectory();
  put(root, "a/one");
  const ask = await holderIn(root);
  expect(await ask("reach", "a/one")).toBe("one: there");
  change(root);
  expect(await ask("reach", "a/two")).toMatch(/^DirectoryChanged/);
});

test("nothing is done in a directory that is not held any more", async () => {
  const root = temporaryDirectory();
  put(root, "a/one");
  put(root, "b/one");
  const ask = await holderIn(root);
  await ask("hold", "a");
  expect(await ask("use what was held")).toBe("within a");
  await ask("reach", "b/one");
  expect(await ask("use what was held")).toContain('expected to be in "a"');
});

test("a directory is not entered when a mount lies on it (skipped where mounting is not allowed)", async (context) => {
  const root = temporaryDirectory();
  mkdirSync(join(root, "mounted"));
  mkdirSync(join(root, "bound"));
  mkdirSync(join(root, "origin"));
  const ask = await holderIn(root);
  expect(await ask("hold", "bound")).toBe("held");
  if (!mountAt(join(root, "mounted"), "-t", "tmpfs", "none")) context.skip("mount is not permitted here");
  expect(await ask("hold", "mounted")).toContain("another file system");

  // a bind mount has the device number of the root itself, and its path was proved before
  expect(mountAt(join(root, "bound"), "--bind", join(root, "origin"))).toBe(true);
  expect(await ask("hold", "bound")).toContain("another file system");
});
