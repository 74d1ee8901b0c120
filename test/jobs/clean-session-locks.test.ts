import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { reasonToKeep } from "../../jobs/clean-session-locks.ts";
import type { Holder } from "../../src/system/locks.ts";
import { makeApp } from "../support/app.ts";
import { age, DAY, HOUR, MINUTE, mountAt, put, RUN, SECOND, stoppedClock } from "../support/hands.ts";
import { diff, snapshot } from "../support/listing.ts";
import { isRoot } from "../support/plain-user.ts";
import { spawnIdle, spawnProcess } from "../support/processes.ts";

const CONFIG = `
locks: [{ files: "*.lock", olderThan: 5m }]
session: { file: telegram_session.session }
preserve: ["*.session", "kept.lock"]`;

const free: Holder = { state: "free" };

test.each([
  { because: "it is young", ageMs: 4 * MINUTE, holder: free, reason: "only 4m old" },
  { because: "it is just younger", ageMs: 5 * MINUTE - 1, holder: free, reason: "only 4m 59s old" },
  { because: "it comes from the future", ageMs: -HOUR, holder: free, reason: "only -1h old" },
  {
    because: "a process holds it",
    ageMs: HOUR,
    holder: { state: "live", pid: 77, how: "flock" } as const,
    reason: "held by pid 77 (flock), 1h old",
  },
  {
    because: "nobody can tell",
    ageMs: HOUR,
    holder: { state: "unknown", why: "it cannot be read" } as const,
    reason: "cannot tell whether it is held: it cannot be read; 1h old",
  },
])("a lock is kept because $because", ({ ageMs, holder, reason }) => {
  expect(reasonToKeep({ kind: "file" }, ageMs, 5 * MINUTE, () => holder)).toBe(reason);
});

test.each(["directory", "other"] as const)("a %s called like a lock is kept", (kind) => {
  expect(reasonToKeep({ kind }, DAY, 0, () => free)).toBe("it is neither a regular file nor a link");
});

// a plain user cannot tell that nobody holds a lock, and so removes none: see test/system/locks.test.ts
describe.runIf(isRoot)("on a true application", () => {
  test.each([
    { age: "just younger than 5 minutes", ageMs: 5 * MINUTE - 1, outcome: "kept" },
    { age: "exactly 5 minutes old", ageMs: 5 * MINUTE, outcome: "done" },
    { age: "just older than 5 minutes", ageMs: 5 * MINUTE + 1, outcome: "done" },
  ])("a lock that is $age: $outcome", async ({ ageMs, outcome }) => {
    const app = await makeApp(CONFIG);
    const path = put(app.root, "a.lock", "");
    const writtenAt = Math.floor(Date.now() / SECOND) - 3_600;
    utimesSync(path, writtenAt, writtenAt);
    const clock = stoppedClock(writtenAt * SECOND + ageMs);
    const { items } = await app.run("clean-session-locks", { clock });
    expect(items).toMatchObject([{ target: "a.lock", outcome }]);
  });

  test("removes the stale ones, and tells of each it keeps why", async () => {
    const app = await makeApp(CONFIG);
    const stale = ["stale.lock", "-rf.lock", "a\nb.lock"];
    for (const name of [...stale, "kept.lock", "held.lock", "sub/deep.lock"]) put(app.root, name, "");
    put(app.root, "young.lock", "", MINUTE + 30 * SECOND);
    put(app.root, "telegram_session.session", "login", DAY);
    symlinkSync("stale.lock", join(app.root, "link.lock"));
    age(join(app.root, "link.lock"), HOUR);
    mkdirSync(join(app.root, "directory.lock"));
    const owner = await spawnIdle();
    put(app.root, "named.lock", `${owner.pid} ${hostname()}`);
    put(app.root, "remote.lock", "4242 elsewhere");
    await spawnProcess({
      command: "flock",
      args: ["held.lock", "sh", "-c", "echo ready; sleep 600; :"],
      cwd: app.root,
      readyLine: /ready/,
    });
    const before = snapshot(app.root);

    const { lines, error, report } = await app.run("clean-session-locks");

    expect(error).toBeUndefined();
    expect(lines).toEqual([
      "-rf.lock: done: stale: 1h old, held by nobody",
      "a\nb.lock: done: stale: 1h old, held by nobody",
      expect.stringMatching(/^held\.lock: kept: held by pid \d+ \(flock\), 1h old$/),
      "kept.lock: kept: preserved (kept.lock)",
      expect.stringMatching(
        /^link\.lock: kept: cannot tell whether it is held: it is a symbolic link that names no owner; 1h old$/,
      ),
      `named.lock: kept: held by pid ${owner.pid} (named in it), 1h old`,
      "remote.lock: kept: cannot tell whether it is held: it names pid 4242 on elsewhere; 1h old",
      "stale.lock: done: stale: 1h old, held by nobody",
      expect.stringMatching(/^young\.lock: kept: only 1m 3\ds old$/),
    ]);
    expect(report).toMatchObject({ status: "done", totals: { done: 3, kept: 6, failed: 0 } });
    const { added, removed, changed } = diff(before, snapshot(app.root));
    expect(added).toEqual([".safe-shutdown", `.safe-shutdown/${RUN}.jsonl`]);
    expect([...removed].sort()).toEqual(stale.sort());
    expect(changed.map((line) => line.split(":")[0])).toEqual(["."]);
  });

  test("leaves alone a lock that was taken between the look and the removal; the next one goes", async () => {
    const app = await makeApp(CONFIG);
    const names = ["a.lock", "b.lock", "c.lock"];
    for (const name of names) put(app.root, name, "");
    let taken: string | undefined;
    const { lines } = await app.run("clean-session-locks", {
      onProgress: () => {
        if (taken !== undefined) return;
        taken = readdirSync(app.root).find((name) => name.endsWith(".lock"));
        if (taken !== undefined) put(app.root, taken, "1", 0);
      },
    });
    expect(lines.filter((line) => line.includes("done"))).toHaveLength(2);
    expect(readdirSync(app.root).filter((name) => name.endsWith(".lock"))).toEqual([taken]);
  });

  test("a lock that is only locked meanwhile, and not written, is seen by the last look", async () => {
    const app = await makeApp(CONFIG);
    const names = ["a.lock", "b.lock", "c.lock"];
    for (const name of names) put(app.root, name, "");
    let taken: string | undefined;
    const { lines } = await app.run("clean-session-locks", {
      onProgress: () => {
        if (taken !== undefined) return; // the first is gone by now, the others were looked at
        taken = names.find((name) => existsSync(join(app.root, name)));
        const hold = `exec 9<${taken}; flock 9; sleep 600 >/dev/null 2>&1 & echo $!`;
        const pid = Number(execFileSync("sh", ["-c", hold], { cwd: app.root, encoding: "utf8" }));
        onTestFinished(() => void process.kill(pid, "SIGKILL"));
      },
    });
    expect(lines.filter((line) => line.includes("done"))).toHaveLength(2);
    expect(lines.find((line) => line.startsWith(`${taken}`))).toMatch(
      /kept: held by pid \d+ \(flock\), 1h old$/,
    );
  });

  test("one fails, the rest proceed", async (context) => {
    const app = await makeApp(CONFIG);
    for (const name of ["a.lock", "b.lock", "c.lock"]) put(app.root, name, "");
    if (!mountAt(join(app.root, "b.lock"), "--bind", put(app.root, "origin", "")))
      context.skip("mount is not permitted here");
    const { report, targets } = await app.run("clean-session-locks");
    expect([targets("done"), targets("failed")]).toEqual([["a.lock", "c.lock"], ["b.lock"]]);
    expect(report.status).toBe("partial");
  });

  test("a dry run says what would go, and changes nothing", async () => {
    const app = await makeApp(CONFIG);
    put(app.root, "stale.lock", "");
    const before = snapshot(app.root);
    const { lines } = await app.run("clean-session-locks", { mode: "plan" });
    expect(lines).toEqual(["stale.lock: planned: stale: 1h old, held by nobody"]);
    expect(diff(before, snapshot(app.root))).toEqual({ added: [], removed: [], changed: [] });
  });

  test("ends after the current lock when the run is aborted", async () => {
    const app = await makeApp(CONFIG);
    for (const name of ["a.lock", "b.lock", "c.lock"]) put(app.root, name, "");
    const stop = new AbortController();
    const { report, error } = await app.run("clean-session-locks", {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error("enough")),
    });
    expect(error).toMatchObject({ message: "enough" });
    expect(report.totals.done).toBe(1);
  });
});
