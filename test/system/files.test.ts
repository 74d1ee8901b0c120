import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { FileEntry, Files } from "../../src/system/files.ts";
import { all, handsOn, mountAt, openToAll, put, removed, removedUnit, seen } from "../support/hands.ts";
import { diff, snapshot } from "../support/listing.ts";
import { asPlainUser, isRoot, plainUserAvailable } from "../support/plain-user.ts";
import { spawnProcess } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

const CACHE = ["*.pyc", "*.pyo", "*.pyc.*"];

describe("between the look and the removal", () => {
  test.each([
    {
      happens: "the file is appended to",
      change: (path: string) => appendFileSync(path, "more"),
    },
    {
      happens: "the file is rewritten with the same size",
      change: (path: string) => writeFileSync(path, "y"),
    },
    {
      happens: "the file is rewritten with the same size, and its times are put back",
      change: (path: string) => {
        const { atimeMs, mtimeMs } = statSync(path);
        writeFileSync(path, "y");
        utimesSync(path, atimeMs / 1_000, mtimeMs / 1_000);
      },
    },
    {
      happens: "the file is touched",
      change: (path: string) => utimesSync(path, Date.now() / 1_000, Date.now() / 1_000),
    },
    {
      happens: "the file is replaced by another of the same size and time",
      change: (path: string) => {
        const { mtimeMs } = statSync(path);
        writeFileSync(`${path}.new`, "y");
        utimesSync(`${path}.new`, mtimeMs / 1_000, mtimeMs / 1_000);
        renameSync(`${path}.new`, path);
      },
    },
    {
      happens: "the file is replaced by a link to another",
      change: (path: string) => {
        writeFileSync(`${path}.new`, "y");
        unlinkSync(path);
        symlinkSync(`${path}.new`, path);
      },
    },
    {
      happens: "the file is replaced by a directory",
      change: (path: string) => {
        unlinkSync(path);
        mkdirSync(path);
      },
    },
  ])("$happens: it is left alone", async ({ change }) => {
    const root = temporaryDirectory();
    const full = put(root, "logs/a");
    const { files } = handsOn(root);
    const entry = seen(files, "logs/a");
    change(full);
    const before = snapshot(root);

    expect(await removed(files, entry)).toEqual({
      outcome: "changed",
      reason: "it is no longer what was looked at",
    });

    expect(diff(before, snapshot(root))).toEqual({ added: [], removed: [], changed: [] });
  });

  test.each([
    { happens: "the file goes", change: (root: string) => unlinkSync(join(root, "logs/a")), outcome: "done" },
    {
      happens: "its directory goes",
      change: (root: string) => rmSync(join(root, "logs"), { recursive: true }),
      outcome: "changed",
    },
  ])("$happens: $outcome", async ({ change, outcome }) => {
    const root = temporaryDirectory();
    put(root, "logs/a");
    const { files } = handsOn(root);
    const entry = seen(files, "logs/a");
    change(root);
    expect((await removed(files, entry)).outcome).toBe(outcome);
  });

  test.each([
    { where: "outside", kept: true },
    { where: "inside", kept: true },
  ])("the directory becomes a link to one $where: the canary there is untouched", async ({ where }) => {
    const root = temporaryDirectory();
    const canaries = where === "outside" ? temporaryDirectory() : join(root, "elsewhere");
    put(root, "logs/a", "victim");
    put(canaries, "a", "canary");
    const { files } = handsOn(root);
    const [found] = await all(files.find([{ patterns: ["logs/*"] }]));
    if (found?.entry === undefined) throw new Error("expected the file to be found");

    renameSync(join(root, "logs"), join(root, "moved"));
    symlinkSync(canaries, join(root, "logs"));
    const before = snapshot(canaries);

    expect((await removed(files, found.entry)).outcome).toBe("changed");
    expect(diff(before, snapshot(canaries))).toEqual({ added: [], removed: [], changed: [] });
    expect(existsSync(join(root, "moved/a"))).toBe(true);
  });

  test("the directory becomes another real one with a file of that name: it is left alone", async () => {
    const root = temporaryDirectory();
    put(root, "logs/a", "old");
    const { files } = handsOn(root);
    const entry = seen(files, "logs/a");
    renameSync(join(root, "logs"), join(root, "moved"));
    put(root, "logs/a", "new");
    expect((await removed(files, entry)).outcome).toBe("changed");
    expect(readdirSync(join(root, "logs"))).toEqual(["a"]);
  });
});

test("a removed file is gone, and nothing else", async () => {
  const root = temporaryDirectory();
  put(root, "logs/a", "0123456789");
  put(root, "logs/b");
  const { files } = handsOn(root);
  expect(await removed(files, seen(files, "logs/a"))).toEqual({ outcome: "done", bytes: 10 });
  expect(readdirSync(join(root, "logs"))).toEqual(["b"]);
});

test("of a file with two names each goes, though the first removal changes the file", async () => {
  const root = temporaryDirectory();
  linkSync(put(root, "a"), join(root, "b"));
  const { files } = handsOn(root);
  for (const entry of [seen(files, "a"), seen(files, "b")])
    expect((await removed(files, entry)).outcome).toBe("done");
});

test("a link is removed itself, not what it points to", async () => {
  const root = temporaryDirectory();
  const canary = put(temporaryDirectory(), "canary");
  symlinkSync(canary, join(root, "link"));
  const { files } = handsOn(root);
  expect((await removed(files, seen(files, "link"))).outcome).toBe("done");
  expect([existsSync(canary), readdirSync(root)]).toEqual([true, []]);
});

test.skipIf(!plainUserAvailable() || !isRoot)(
  "a file that may not be removed fails, with the error",
  async () => {
    const root = temporaryDirectory();
    openToAll(root);
    put(root, "a");
    expect(
      asPlainUser(
        `const { files } = handsOn(facts.root); answer(await files.removeOne({ entry: files.look("a"), reason: "a test" }));`,
        { root },
      ),
    ).toEqual({ outcome: "failed", reason: "EACCES" });
    expect(readdirSync(root)).toEqual(["a"]);
  },
);

test.runIf(isRoot)("a file that something is mounted on fails, with the error", async (context) => {
  const root = temporaryDirectory();
  const target = put(root, "a");
  if (!mountAt(target, "--bind", put(root, "b"))) context.skip("mount is not permitted here");
  const { files } = handsOn(root);
  expect(await removed(files, seen(files, "a"))).toEqual({ outcome: "failed", reason: "EBUSY" });
});

test("an abort stops between two removals, though both are written down", async () => {
  const root = temporaryDirectory();
  for (const name of ["a", "b"]) put(root, name);
  const abort = new AbortController();
  const { files } = handsOn(root, { signal: abort.signal });
  const source = ["a", "b"].map((name) => ({ entry: seen(files, name), reason: "a test" }));
  const go = async () => {
    for await (const { effect } of files.remove(source)) {
      expect(effect.outcome).toBe("done");
      abort.abort(new Error("enough"));
    }
  };
  await expect(go()).rejects.toThrow("enough");
  expect(readdirSync(root)).toEqual(["b"]);
});

describe("a limit", () => {
  /** In one stream, as a job removes. */
  async function outcomesOf(files: Files, entries: readonly FileEntry[]): Promise<string[]> {
    const outcomes: string[] = [];
    const source = entries.map((entry) => ({ entry, reason: "a test" }));
    for await (const { effect } of files.remove(source)) outcomes.push(effect.outcome);
    return outcomes;
  }

  test.each([
    { limit: 2, removed: 2, refused: true },
    { limit: 3, removed: 3, refused: false },
    { limit: 4, removed: 3, refused: false },
  ])("of $limit on 3 files: $removed are removed", async ({ limit, removed, refused }) => {
    const root = temporaryDirectory();
    for (const name of ["a", "b", "c"]) put(root, name);
    const { files } = handsOn(root, { limit });
    const entries = ["a", "b", "c"].map((name) => seen(files, name));
    const outcomes = outcomesOf(files, entries);
    if (refused) await expect(outcomes).rejects.toThrow("limits.files (2) is reached");
    else expect(await outcomes).toEqual(["done", "done", "done"]);
    expect(readdirSync(root)).toHaveLength(3 - removed);
  });

  test("holds for a plan too, or it would promise what is then refused", async () => {
    const root = temporaryDirectory();
    for (const name of ["a", "b"]) put(root, name);
    const { files } = handsOn(root, { mode: "plan", limit: 1 });
    expect((await removed(files, seen(files, "a"))).outcome).toBe("planned");
    await expect(removed(files, seen(files, "b"))).rejects.toThrow("limits.files (1) is reached");
  });

  test("does not count what was gone or has changed", async () => {
    const root = temporaryDirectory();
    for (const name of ["a", "b", "c"]) put(root, name);
    const { files } = handsOn(root, { limit: 1 });
    const [a, b, c] = ["a", "b", "c"].map((name) => seen(files, name));
    if (!(a && b && c)) throw new Error("expected three");
    unlinkSync(join(root, "a"));
    appendFileSync(join(root, "b"), "more");
    expect(await outcomesOf(files, [a, b, c])).toEqual(["done", "changed", "done"]);
  });

  test.each([
    { limit: 2, goes: false },
    { limit: 3, goes: true },
  ])("of $limit takes a directory of 3 files as a whole or not at all", async ({ limit, goes }) => {
    const root = temporaryDirectory();
    for (const name of ["a", "b", "c"]) put(root, `__pycache__/${name}.pyc`);
    const { files } = handsOn(root, { limit });
    const effect = removedUnit(files, seen(files, "__pycache__"), CACHE);
    if (goes) expect((await effect).outcome).toBe("done");
    else await expect(effect).rejects.toThrow("limits.files (2) is reached");
    expect(existsSync(join(root, "__pycache__/a.pyc"))).toBe(!goes);
  });
});

describe("a directory that goes as a unit", () => {
  function cache(...names: string[]): string {
    const root = temporaryDirectory();
    for (const name of names) put(root, `app/__pycache__/${name}`, "0123456789");
    return root;
  }
  const PATH = "app/__pycache__";

  test("goes with all the files in it, whose bytes are counted", async () => {
    const root = cache("a.pyc", "b.cpython-311.opt-1.pyc", "c.pyc.4711", "d.pyo");
    const { files } = handsOn(root);
    expect(await removedUnit(files, seen(files, PATH), CACHE)).toEqual({ outcome: "done", bytes: 40 });
    expect(readdirSync(join(root, "app"))).toEqual([]);
  });

  test.each([
    {
      what: "a file that no bytecode compiler writes",
      make: (d: string) => put(d, "notes.txt"),
      name: "notes.txt",
    },
    { what: "a hidden file", make: (d: string) => put(d, ".keep"), name: ".keep" },
    {
      what: "a directory, though it is called like bytecode",
      make: (d: string) => mkdirSync(join(d, "x.pyc")),
      name: "x.pyc",
    },
    {
      what: "a link, though it is called like bytecode",
      make: (d: string) => symlinkSync("/etc/hostname", join(d, "x.pyc")),
      name: "x.pyc",
    },
    { what: "a FIFO", make: (d: string) => execFileSync("mkfifo", [join(d, "x.pyc")]), name: "x.pyc" },
  ])("stays whole when it holds $what", async ({ make, name }) => {
    const root = cache("a.pyc");
    make(join(root, PATH));
    const { files } = handsOn(root);
    const obstacle = `it holds ${JSON.stringify(name)}`;
    expect((await files.unitOf(seen(files, PATH), CACHE)).obstacle).toBe(obstacle);
    expect(await removedUnit(files, seen(files, PATH), CACHE)).toEqual({
      outcome: "changed",
      reason: obstacle,
    });
    expect(readdirSync(join(root, PATH)).sort()).toEqual(["a.pyc", name].sort());
  });

  test("stays whole when it holds a name that is not UTF-8", async () => {
    const root = cache("a.pyc");
    writeFileSync(
      Buffer.concat([Buffer.from(`${root}/${PATH}/`), Buffer.from([0xff]), Buffer.from(".pyc")]),
      "",
    );
    const { files } = handsOn(root);
    expect((await removedUnit(files, seen(files, PATH), CACHE)).outcome).toBe("changed");
    expect(readdirSync(join(root, PATH))).toHaveLength(2);
  });

  test("stays whole when it was replaced since it was looked at", async () => {
    const root = cache("a.pyc");
    const { files } = handsOn(root);
    const entry = seen(files, PATH);
    renameSync(join(root, PATH), join(root, "old"));
    put(root, `${PATH}/b.pyc`);
    expect((await removedUnit(files, entry, CACHE)).outcome).toBe("changed");
    expect(readdirSync(join(root, PATH))).toEqual(["b.pyc"]);
  });

  test("that became a link is left alone, and so is what it leads to", async () => {
    const root = cache("a.pyc");
    const outside = temporaryDirectory();
    put(outside, "canary.pyc");
    const { files } = handsOn(root);
    const entry = seen(files, PATH);
    renameSync(join(root, PATH), join(root, "old"));
    symlinkSync(outside, join(root, PATH));
    expect((await files.unitOf(entry, CACHE)).obstacle).toBe("it is a symbolic link");
    expect((await removedUnit(files, entry, CACHE)).outcome).toBe("changed");
    expect(readdirSync(outside)).toEqual(["canary.pyc"]);
  });

  test("already gone counts as done; gone below the hands, nothing fails", async () => {
    const root = cache("a.pyc");
    const { files } = handsOn(root);
    const entry = seen(files, PATH);
    rmSync(join(root, PATH), { recursive: true });
    expect(await removedUnit(files, entry, CACHE)).toMatchObject({ outcome: "done", bytes: 0 });
    expect(await files.unitOf(entry, CACHE)).toMatchObject({ files: [], obstacle: "it is gone" });
  });

  test.skipIf(!plainUserAvailable() || !isRoot)("cannot be judged when it cannot be read", () => {
    const root = cache("a.pyc");
    openToAll(root);
    chmodSync(join(root, PATH), 0o700);
    const answer = asPlainUser(
      `const { files } = handsOn(facts.root); const { files: inside, obstacle } = await files.unitOf(files.look("${PATH}"), ["*.pyc"]);
       answer({ files: inside, obstacle });`,
      { root },
    );
    expect(answer).toEqual({ files: [], obstacle: "it cannot be read: EACCES" });
  });
});

test("a plan removes nothing, and says what would be freed", async () => {
  const root = temporaryDirectory();
  put(root, "a", "0123456789");
  put(root, "__pycache__/b.pyc", "01234");
  const { files } = handsOn(root, { mode: "plan" });
  const before = snapshot(root);
  expect(await removed(files, seen(files, "a"))).toEqual({ outcome: "planned", bytes: 10 });
  expect(await removedUnit(files, seen(files, "__pycache__"), CACHE)).toEqual({
    outcome: "planned",
    bytes: 5,
  });
  expect(diff(before, snapshot(root))).toEqual({ added: [], removed: [], changed: [] });
});

test("what is looked at is told; where nothing is, nothing", () => {
  const root = temporaryDirectory();
  put(root, "sub/a", "123");
  symlinkSync("sub", join(root, "link"));
  const { files } = handsOn(root);
  expect(files.look("sub/a")).toMatchObject({ path: "sub/a", kind: "file", sizeBytes: 3 });
  expect(files.look("sub")).toMatchObject({ kind: "directory" });
  expect(files.look("link")).toMatchObject({ kind: "link" });
  for (const path of ["sub/b", "none/a", "link/a"]) expect(files.look(path)).toBeUndefined();
});

describe("reading", () => {
  test("a file that was replaced since it was looked at gives nothing", () => {
    const root = temporaryDirectory();
    put(root, "a", "123");
    const { files } = handsOn(root);
    const entry = seen(files, "a");
    expect(files.read(entry, 2)?.toString()).toBe("12");
    put(root, "a", "456", 0);
    expect(files.read(entry, 2)).toBeUndefined();
  });

  test("through a directory that became a link gives nothing", () => {
    const root = temporaryDirectory();
    put(root, "a/b", "123");
    const { files } = handsOn(root);
    const entry = seen(files, "a/b");
    renameSync(join(root, "a"), join(root, "moved"));
    symlinkSync("moved", join(root, "a"));
    expect(files.read(entry, 64)).toBeUndefined();
  });
});

test("who has a file open is told", async () => {
  const root = temporaryDirectory();
  put(root, "open.log.1");
  put(root, "closed.log.1");
  const { pid } = await spawnProcess({
    command: "sh",
    args: ["-c", "exec 7<open.log.1; echo ready; while :; do sleep 600; done"],
    cwd: root,
    readyLine: /ready/,
  });
  const { files } = handsOn(root);
  expect(files.openedBy(seen(files, "open.log.1"))).toBe(pid);
  expect(files.openedBy(seen(files, "closed.log.1"))).toBeUndefined();
});

test("the room on the disk is told in bytes", () => {
  const { freeBytes, totalBytes } = handsOn(temporaryDirectory()).files.diskUsage();
  expect(freeBytes).toBeGreaterThan(0);
  expect(totalBytes).toBeGreaterThanOrEqual(freeBytes);
});
