import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readProcess } from "../../src/system/proc.ts";
import { ProcessTree } from "../../src/system/process-tree.ts";
import { ended, spawnIdle, spawnProcess, waitUntil } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

function treeOf(...pids: number[]): ProcessTree {
  const roots = pids.map((pid) => {
    const process = readProcess(pid);
    if (process === undefined) throw new Error(`expected pid ${pid} to run`);
    return process;
  });
  const tree = new ProcessTree(roots);
  onTestFinished(() => tree.release());
  return tree;
}

const pidsOf = (processes: readonly { pid: number }[]) => processes.map(({ pid }) => pid);

/** Does what is written into `go`; what it writes into `pid` is the number of whom that started. */
async function obedient(directory: string) {
  const script = "echo ready; while :; do [ -s go ] && { . ./go; : > go; }; sleep 0.02; done";
  const one = await spawnProcess({
    ...{ command: "sh", args: ["-c", script], cwd: directory, readyLine: /ready/ },
  });
  const pidFile = join(directory, "pid");
  const start = async (command: string) => {
    writeFileSync(join(directory, "go"), `${command}\n`);
    const pid = () => (existsSync(pidFile) ? Number(readFileSync(pidFile, "utf8")) : 0);
    await waitUntil(() => pid() > 0, "the child");
    return pid();
  };
  return { ...one, start };
}

test("a tree grows by what was started since", async () => {
  const main = await obedient(temporaryDirectory());
  const tree = treeOf(main.pid);
  const child = await main.start("sleep 600 & echo $! > pid");
  expect(pidsOf(tree.running())).not.toContain(child);
  tree.grow();
  expect(pidsOf(tree.running())).toContain(child);
  expect(pidsOf(tree.running())[0]).toBe(main.pid);
});

test("an orphan in the session of its leader belongs to it, though its parent has ended", async () => {
  const main = await obedient(temporaryDirectory());
  const tree = treeOf(main.pid);
  const orphan = await main.start("( sleep 600 & echo $! > pid ) ; :");
  await waitUntil(() => readProcess(orphan)?.parentPid !== main.pid, "the orphan");
  tree.grow();
  expect(pidsOf(tree.running())).toContain(orphan);
});

test("who is merely in the same session as a root that does not lead it is nobody's", async () => {
  const leader = await obedient(temporaryDirectory());
  const root = await leader.start("sleep 600 & echo $! > pid");
  const tree = treeOf(root);
  tree.grow();
  expect(pidsOf(tree.running())).toEqual([root]);
  expect(tree.leaders()).toEqual([]);
});

test("a root that has ended, or is another process by now, is not in it", async () => {
  const { pid, child } = await spawnIdle();
  const process = readProcess(pid);
  if (process === undefined) throw new Error("expected a process");
  const recycled = new ProcessTree([{ ...process, startTicks: process.startTicks - 1 }]);
  expect(recycled.running()).toEqual([]);
  child.kill("SIGKILL");
  await ended(child);
  expect(new ProcessTree([process]).running()).toEqual([]);
});

test("what has ended is not running any more, and what was released tells nothing", async () => {
  const { pid, child } = await spawnIdle();
  const other = await spawnIdle();
  const tree = treeOf(pid, other.pid);
  child.kill("SIGKILL");
  await ended(child);
  expect(pidsOf(tree.running())).toEqual([other.pid]);
  tree.release();
  expect(tree.running()).toEqual([]);
});
