import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { CLI, runCli } from "../support/cli.ts";
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
