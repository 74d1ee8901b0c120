import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RunReport } from "../../src/report/report.ts";
import { reasonOf, useApplication } from "../support/application.ts";
import { CLI } from "../support/cli.ts";
import { HOUR } from "../support/hands.ts";
import { isAlive, spawnProcess } from "../support/processes.ts";

/* As in a container that shares the application's directory, but has pids of its own. */

const INSIDE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
const mayUnshare = spawnSync("unshare", [...INSIDE.slice(1), "true"]).status === 0;

function cleanLocksInside(root: string): RunReport {
  const words = ["clean", "clean-session-locks", "--inline", "--yes", "--json", "--root", root];
  const [command = "", ...args] = [...INSIDE, process.execPath, CLI, ...words];
  const env = { ...process.env, SAFE_SHUTDOWN_REDIS_URL: "redis://127.0.0.1:1/0" };
  const { stdout } = spawnSync(command, args, { cwd: "/", env, encoding: "utf8", timeout: 20_000 });
  return JSON.parse(stdout);
}

test.runIf(mayUnshare)(
  "from inside, a lock that somebody outside holds is kept, and why is said",
  async () => {
    const root = await useApplication(
      { "held.lock": { ageMs: HOUR } },
      'app: scraper\nlocks: [{ files: "*.lock" }]',
    );
    const holder = await spawnProcess({
      command: "flock",
      args: ["held.lock", "sh", "-c", "echo ready; sleep 600; :"],
      cwd: root,
      readyLine: /ready/,
    });

    const report = cleanLocksInside(root);

    expect(reasonOf(report, "held.lock")).toMatch(
      /^cannot tell whether it is held: only the processes of this container can be seen; .*pidNamespace: trusted; 1h old$/,
    );
    expect([existsSync(join(root, "held.lock")), isAlive(holder.pid)]).toEqual([true, true]);
  },
);

test.runIf(mayUnshare)("with `pidNamespace: trusted` a free lock is removed from inside", async () => {
  const root = await useApplication(
    { "free.lock": { ageMs: HOUR } },
    'app: scraper\nlocks: [{ files: "*.lock" }]\npidNamespace: trusted',
  );
  expect(reasonOf(cleanLocksInside(root), "free.lock")).toBe("stale: 1h old, held by nobody");
  expect(existsSync(join(root, "free.lock"))).toBe(false);
});
