import { existsSync, readdirSync, symlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { makeApp } from "../support/app.ts";
import { age, DAY, HOUR, put, stoppedClock } from "../support/hands.ts";
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
  "the host in other letters": (pid) => `${pid} ${HOST.toUpperCase()}`,
  "several, of whom one lives": (pid) => `{"pid":4194303,"child":{"pid":${pid}}}`,
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

  test.each([
    { names: "another host", content: "4194303 elsewhere", why: "it names pid 4194303 on elsewhere" },
    { names: "an address", content: "4194303@10.0.0.7", why: "it names pid 4194303 on 10.0.0.7" },
    {
      names: "another host by name",
      content: "pid=4194303 host=elsewhere",
      why: "it names pid 4194303 on elsewhere",
    },
    {
      names: "nothing, being a hot journal of SQLite",
      content: Buffer.from("d9d505f920a163d7", "hex"),
      why: "it is no lock, but a file of SQLite, which may be needed",
    },
  ])("that names $names is kept", async ({ content, why }) => {
    const app = await makeApp(LOCKS);
    put(app.root, "a.lock", content);
    expect((await app.run("clean-session-locks")).lines).toEqual([
      `a.lock: kept: cannot tell whether it is held: ${why}; 1h old`,
    ]);
  });

  test("in no known form a number that is a process older than the lock is kept, of a younger one not", async () => {
    const app = await makeApp(LOCKS);
    const { pid } = await spawnIdle();
    put(app.root, "a.lock", `taken by ${pid} on monday`, -HOUR); // written since
    put(app.root, "b.lock", `taken by ${pid} on monday`, HOUR);
    const clock = stoppedClock(Date.now() + DAY);
    expect((await app.run("clean-session-locks", { clock })).lines).toEqual([
      `a.lock: kept: cannot tell whether it is held: it holds the number ${pid}, which is a running process; 23h old`,
      expect.stringMatching(/^b\.lock: done: stale/),
    ]);
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

describe("a lock that is a symbolic link, as Chrome makes it", () => {
  async function linked(target: string): Promise<string[]> {
    const app = await makeApp(LOCKS);
    put(app.root, "file", "");
    symlinkSync(target, join(app.root, "a.lock"));
    age(join(app.root, "a.lock"), HOUR);
    const { lines } = await app.run("clean-session-locks");
    expect(existsSync(join(app.root, "file"))).toBe(true);
    return [...lines, ...readdirSync(app.root).filter((name) => name === "a.lock")];
  }
  const kept = (why: string) => [`a.lock: kept: cannot tell whether it is held: ${why}; 1h old`, "a.lock"];

  test.each(["", "user@"])("is kept while its owner lives, and then goes (%s)", async (user) => {
    const { pid, child } = await spawnIdle();
    const target = user === "" ? `${HOST}-${pid}` : `${user}${HOST}.${pid}:1700000`;
    expect(await linked(target)).toEqual([
      `a.lock: kept: held by pid ${pid} (named in it), 1h old`,
      "a.lock",
    ]);
    child.kill("SIGKILL");
    await ended(child);
    expect(await linked(target)).toEqual(["a.lock: done: stale: 1h old, held by nobody"]);
  });

  test("is kept when it names another host", async () => {
    expect(await linked("elsewhere-4194303")).toEqual(kept("it names pid 4194303 on elsewhere"));
  });

  test.each(["file", "/etc/hostname", "nowhere"])("is kept when it leads to %s", async (target) => {
    expect(await linked(target)).toEqual(kept("it is a symbolic link that names no owner"));
  });

  test("is kept when there is a file that is called like an owner", async () => {
    const app = await makeApp(LOCKS);
    const name = `${HOST}-4194303`;
    put(app.root, name, "");
    symlinkSync(name, join(app.root, "a.lock"));
    age(join(app.root, "a.lock"), HOUR);
    expect((await app.run("clean-session-locks")).lines).toEqual([
      "a.lock: kept: cannot tell whether it is held: it is a symbolic link that names no owner; 1h old",
    ]);
  });
});
