import { spawnSync } from "node:child_process";
import { chownSync, existsSync, lchownSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { resolveRoot } from "../../src/system/root.ts";
import { CLI, runCli } from "../support/cli.ts";
import { isRoot } from "../support/plain-user.ts";
import { temporaryDirectory } from "../support/temp.ts";

/* Always dry runs: should a guard fail here one day, the machine must not pay for it. */

test.for([
  ["/usr/lib/python3", /it lies in the system directory \/usr\/lib/],
  ["/var/cache", /it lies in the system directory \/var\/cache/],
  ["/run/lock", /it lies in the system directory \/run/],
  ["", /the root is empty: name the application's directory/],
] as const)("the root %j is refused", async ([root, reason], { skip }) => {
  skip(root !== "" && !existsSync(root), `there is no ${root} here`);
  const cwd = temporaryDirectory();
  const { code, stdout, stderr } = await runCli(["clean", "--dry-run", "--inline", "--root", root], { cwd });
  expect(stderr).toMatch(reason);
  expect([code, stdout]).toEqual([4, ""]);
});

/** In a mount namespace of its own, read-only: nothing of it is ever seen, or removed, from outside. */
const IN_OWN_MOUNTS = ["--mount", "--propagation", "private", "sh", "-ec"];
const BIND = 'mount --bind / "$0"; mount -o remount,bind,ro "$0"';
const mayMount =
  spawnSync("unshare", [...IN_OWN_MOUNTS, 'mount --bind / "$0"', "/mnt"], { stdio: "ignore" }).status === 0;

test.runIf(mayMount)("a second name of /, by a bind mount, is refused as / is", () => {
  const directory = temporaryDirectory();
  const script = `${BIND}; exec "$1" "$2" clean --dry-run --inline --root "$0"`;
  const { status, stderr } = spawnSync(
    "unshare",
    [...IN_OWN_MOUNTS, script, directory, process.execPath, CLI],
    {
      cwd: "/",
      encoding: "utf8",
      timeout: 20_000,
    },
  );
  expect(stderr).toContain("it is the root of the file system");
  expect(status).toBe(4);
});

describe.runIf(isRoot)("a link on the way to the root", () => {
  const [ROOT, APP, OTHER] = [0, 65_534, 12_345];

  /** The real directory of one, and a path that leads there through a link of another. */
  function linked(linkOwner: number, directoryOwner: number, below = ""): { real: string; path: string } {
    const top = temporaryDirectory();
    const real = join(top, "victim", below);
    mkdirSync(real, { recursive: true });
    chownSync(real, directoryOwner, directoryOwner);
    symlinkSync("victim", join(top, "current"));
    lchownSync(join(top, "current"), linkOwner, linkOwner);
    return { real, path: join(top, "current", below) };
  }

  test.each([
    { what: "of root's", link: ROOT, directory: APP },
    { what: "of the application's user, to what is his", link: APP, directory: APP },
  ])("$what is followed", ({ link, directory }) => {
    const { real, path } = linked(link, directory);
    expect(resolveRoot(path)).toBe(real);
  });

  test.each([
    { what: "at its end", below: "", directory: OTHER },
    { what: "in the middle", below: "app", directory: OTHER },
    { what: "to a directory of root's", below: "", directory: ROOT },
  ])(
    "with which a user sends root to somebody else's application is refused: $what",
    async ({ below, directory }) => {
      const { path } = linked(APP, directory, below);
      const args = ["clean", "--dry-run", "--inline", "--root", path];
      const { code, stderr } = await runCli(args, { cwd: temporaryDirectory() });
      expect(stderr).toMatch(
        /the root leads through ".*current": uid 65534 made this link, and uid \d+ owns/,
      );
      expect(code).toBe(4);
    },
  );

  test("that leads to /, or back to where it lies, is seen as what it is", () => {
    const top = temporaryDirectory();
    symlinkSync("/", join(top, "all"));
    symlinkSync(".", join(top, "here"));
    expect(() => resolveRoot(join(top, "all"))).toThrow("it is the root of the file system");
    expect(resolveRoot(join(top, "here"))).toBe(top);
  });
});
