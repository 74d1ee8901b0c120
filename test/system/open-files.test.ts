import { execFileSync } from "node:child_process";
import { linkSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readOpenFiles } from "../../src/system/open-files.ts";
import { workingDirectoryOf } from "../../src/system/proc.ts";
import { listProcesses } from "../../src/system/process-list.ts";
import { handsOn, mountAt, put, seen } from "../support/hands.ts";
import { isRoot } from "../support/plain-user.ts";
import { ended, spawnProcess } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

async function opener(root: string, redirections: string) {
  const args = ["-c", `exec ${redirections}; echo ready; while :; do sleep 600; done`];
  return spawnProcess({ command: "sh", args, cwd: root, readyLine: /ready/ });
}

test("who has a file open is found by its inode, under whatever name it was opened", async () => {
  const root = temporaryDirectory();
  linkSync(put(root, "a"), join(root, "a-by-another-name"));
  put(root, "b");
  const { pid } = await opener(root, "7<a 8<./../$(basename $PWD)/a 9<a-by-another-name");
  const entry = seen(handsOn(root).files, "a");

  const openFiles = readOpenFiles(root, new Set());

  const openers = openFiles.openersOf(entry);
  expect(openers.filter((one) => one.pid === pid).map(({ link }) => link)).toEqual([
    `/proc/${pid}/fd/7`,
    `/proc/${pid}/fd/8`,
    `/proc/${pid}/fd/9`,
  ]);
  expect(openers.map(({ lock }) => lock)).not.toContain("flock");
  expect(openFiles.openersOf(seen(handsOn(root).files, "b"))).toEqual([]);
});

test("a file is also found by its path, as overlayfs shows one file with two devices", async () => {
  const root = temporaryDirectory();
  put(root, "a");
  const { pid } = await opener(root, "7<a");
  const [found] = readOpenFiles(root, new Set()).openersOf({ path: "a", device: 0, inode: 0 });
  expect(found?.pid).toBe(pid);
});

test("processes that are taken for stopped are passed over", async () => {
  const root = temporaryDirectory();
  put(root, "a");
  const { pid, child } = await opener(root, "7<a");
  const entry = seen(handsOn(root).files, "a");
  const without = readOpenFiles(root, new Set([pid]));
  expect(without.openersOf(entry).map((one) => one.pid)).not.toContain(pid);
  child.kill("SIGKILL");
  await ended(child);
});

test.runIf(isRoot)("to root no process is hidden, kernel threads and zombies included", () => {
  expect(readOpenFiles("/nowhere", new Set()).hiddenProcesses).toBe(0);
});

test("a process with a path beyond PATH_MAX open hinders nobody, and what it has open is found", async () => {
  const root = temporaryDirectory();
  put(root, "a");
  onTestFinished(() => {
    execFileSync("rm", ["-rf", root]); // Node cannot remove what lies so deep
  });
  const deep = `i=0; n=$(printf "%0200d" 0); while [ $i -lt 25 ]; do mkdir $n; cd -P ./$n; i=$((i+1)); done`;
  const args = ["-c", `${deep}; ln $0 a; exec 7<a; echo ready; while :; do sleep 600; done`, join(root, "a")];
  const { pid } = await spawnProcess({ command: "sh", args, cwd: root, readyLine: /ready/ });
  const openFiles = readOpenFiles(root, new Set());
  expect(openFiles.openersOf(seen(handsOn(root).files, "a")).map((one) => one.pid)).toContain(pid);
  expect(listProcesses().map((process) => process.pid)).toContain(pid);
  expect(workingDirectoryOf(pid)).toBeUndefined();
});

test("what a process keeps in memory is not taken for a file with the same inode", async (context) => {
  const root = temporaryDirectory();
  if (!mountAt(root, "-t", "tmpfs", "none")) context.skip("mount is not permitted here");
  const program = `import os, time
kept = [os.memfd_create("kept") for _ in range(64)]
print("ready", *[os.fstat(fd).st_ino for fd in kept], flush=True)
time.sleep(600)`;
  const { pid } = await spawnProcess({
    command: "/usr/bin/python3",
    args: ["-c", program],
    readyLine: /ready/,
  });
  const openFiles = readOpenFiles(root, new Set());
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    const inode = /^ino:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"))?.[1] ?? "";
    const openers = openFiles.openersOf({ path: "a", device: statSync(root).dev, inode: BigInt(inode) });
    expect(openers.map((one) => one.pid)).not.toContain(pid);
  }
});
