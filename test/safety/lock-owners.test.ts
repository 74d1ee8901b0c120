import { existsSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { makeApp } from "../support/app.ts";
import { put } from "../support/hands.ts";
import { isRoot } from "../support/plain-user.ts";
import { ended, spawnIdle } from "../support/processes.ts";

const LOCKS = 'locks: [{ files: "*.lock" }]';
const HOST = hostname();

/** How programs write into a lock who holds it. */
const FORMS: Record<string, (pid: number) => string> = {
  "pid=PID": (pid) => `pid=${pid}`,
  "PID, program and host on lines": (pid) => `${pid}\ncelery\n${HOST}\n`,
  "PID and a NUL": (pid) => `${pid}\0`,
  "a byte order mark and PID": (pid) => `\ufeff${pid}`,
  "HOST/namespace:PID, as Mercurial": (pid) => `${HOST}/4026531836:${pid}`,
  "JSON with an owner": (pid) => `{"owner":{"pid":${pid}}}`,
  "PID: N started 2024": (pid) => `PID: ${pid} started 2024`,
  "HOST.PID": (pid) => `${HOST}.${pid}`,
  "user@HOST.PID:boot, as Emacs": (pid) => `root@${HOST}.${pid}:1700000`,
};

// a plain user cannot tell that nobody holds a lock, and so removes none
describe.runIf(isRoot)("a lock that nobody has open, and that says", () => {
  test.each(Object.entries(FORMS))("%s", async (_form, content) => {
    const app = await makeApp(LOCKS);
    const owner = await spawnIdle();
    put(app.root, "a.lock", content(owner.pid));

    const whileItLives = await app.run("clean-session-locks");
    owner.child.kill("SIGKILL");
    await ended(owner.child);
    const afterwards = await app.run("clean-session-locks");

    expect(whileItLives.lines).toEqual([`a.lock: kept: held by pid ${owner.pid} (named in it), 1h old`]);
    expect(afterwards.lines).toEqual(["a.lock: done: stale: 1h old, held by nobody"]);
    expect(existsSync(join(app.root, "a.lock"))).toBe(false);
  });

  test("no pid, but a date or a time, is stale", async () => {
    const app = await makeApp(LOCKS);
    const contents = [
      "2024-01-15",
      "2024-01-15 10:00:00",
      "2024-01-15T10:00:00Z\n",
      "20240115",
      "1700000000",
      "1700000000.5\n",
    ];
    for (const [n, content] of contents.entries()) put(app.root, `${n}.lock`, content);
    expect((await app.run("clean-session-locks")).targets("kept")).toEqual([]);
    expect(readdirSync(app.root).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });
});
