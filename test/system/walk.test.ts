import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeAll, describe, expect, test } from "vitest";
import { ALWAYS_PRESERVED } from "../../src/config/always-preserved.ts";
import {
  age,
  all,
  handsOn,
  MINUTE,
  mountAt,
  openToAll,
  put,
  removed,
  searched,
  seen,
} from "../support/hands.ts";
import { asPlainUser, isRoot, plainUserAvailable } from "../support/plain-user.ts";
import { sharedTemporaryDirectory, temporaryDirectory } from "../support/temp.ts";

test("one search answers for all rules, and the first that matches takes the entry", async () => {
  const root = temporaryDirectory();
  for (const path of ["a.lock", "sub/b.lock", "logs/c.log.1", "logs/x/__pycache__/m.pyc", "logs/n.pyc"])
    put(root, path);
  const rules = [
    { name: "locks", patterns: ["*.lock"] },
    { name: "caches", kind: "directories", patterns: ["**/__pycache__"] },
    { name: "logs", patterns: ["logs/**"] },
    { name: "code", patterns: ["**/*.pyc"] },
  ];
  const found = await all(handsOn(root).files.find(rules));
  expect(found.map(({ rule, path }) => `${rule.name}: ${path}`).sort()).toEqual([
    "caches: logs/x/__pycache__",
    "locks: a.lock",
    "logs: logs/c.log.1",
    "logs: logs/n.pyc",
  ]);
});

test("what was observed of a file is its evidence", async () => {
  const root = temporaryDirectory();
  const full = put(root, "logs/a.log.1", "0123456789");
  age(full, 7 * MINUTE, 1_700_000_000_000);
  const [found] = await all(handsOn(root).files.find([{ patterns: ["logs/*"] }]));
  expect(found?.entry).toMatchObject({
    path: "logs/a.log.1",
    kind: "file",
    modifiedAtMs: 1_700_000_000_000 - 7 * MINUTE,
    sizeBytes: 10,
    freesBytes: 10,
    ownerId: process.getuid?.(),
  });
});

describe("removing gives back", () => {
  test.each([
    {
      what: "nothing for one of two hard links",
      arrange: (root: string) => linkSync(put(root, "a", "x".repeat(10_000)), join(root, "b")),
      bytes: 0,
    },
    {
      what: "next to nothing for a sparse giant",
      arrange: (root: string) => truncateSync(put(root, "a", ""), 50_000_000_000),
      bytes: 0,
    },
    {
      what: "its blocks for a sparse giant with something in it",
      arrange: (root: string) => truncateSync(put(root, "a", "x".repeat(8_192)), 50_000_000_000),
      bytes: 8_192,
    },
    {
      what: "the size of a plain file",
      arrange: (root: string) => put(root, "a", "x".repeat(10_000)),
      bytes: 10_000,
    },
    { what: "nothing for an empty file", arrange: (root: string) => put(root, "a", ""), bytes: 0 },
  ])("$what", async ({ arrange, bytes }) => {
    const root = temporaryDirectory();
    arrange(root);
    const { files } = handsOn(root);
    const entry = seen(files, "a");
    expect(entry.freesBytes).toBe(bytes);
    expect(await removed(files, entry)).toMatchObject({ outcome: "done", bytes });
  });
});

describe("never entered", () => {
  test.each([
    { what: "a preserved directory", list: ["data/**"], path: "data/x.pyc" },
    { what: "a preserved directory in other letters", list: ["DATA/**"], path: "data/x.pyc" },
    {
      what: "a preserved directory in another Unicode form",
      list: ["caf\u00e9/**"],
      path: "cafe\u0301/x.pyc",
    },
    { what: "a preserved directory written with ./", list: ["./data/**"], path: "data/x.pyc" },
    { what: "what lies below a preserved name at any depth", list: ["backups"], path: "a/backups/b/x.pyc" },
    { what: "version control", list: ALWAYS_PRESERVED, path: "sub/.git/objects/x.pyc" },
    { what: "an environment by its usual name", list: ALWAYS_PRESERVED, path: "sub/venv/lib/x.pyc" },
  ])("$what", async ({ list, path }) => {
    const root = temporaryDirectory();
    put(root, path);
    put(root, "found.pyc");
    const { files } = handsOn(root, { preserve: list });
    expect(await searched(files, "**/*.pyc", path)).toEqual({ "found.pyc": "found" });
  });

  test("a virtual environment of any name, told by its pyvenv.cfg", async () => {
    const root = temporaryDirectory();
    put(root, "env-3.11/pyvenv.cfg");
    put(root, "env-3.11/lib/python3.11/x.pyc");
    put(root, "env-3.11/top.pyc");
    put(root, "found.pyc");
    expect(await searched(handsOn(root).files, "**/*.pyc")).toEqual({ "found.pyc": "found" });
  });

  test("a directory behind a symbolic link, inside or outside the root", async () => {
    const root = temporaryDirectory();
    const outside = temporaryDirectory();
    put(outside, "x.pyc");
    put(root, "real/x.pyc");
    symlinkSync(outside, join(root, "out"));
    symlinkSync("real", join(root, "in"));
    expect(await searched(handsOn(root).files, "**/*.pyc", "out/*", "in/*")).toEqual({
      "real/x.pyc": "found",
      ...{
        out: "it is a symbolic link, which is not followed",
        in: "it is a symbolic link, which is not followed",
      },
    });
  });

  test("a directory on another mount, and it is told (skipped where mounting is not allowed)", async (context) => {
    const root = temporaryDirectory();
    mkdirSync(join(root, "mounted"));
    put(root, "found.pyc");
    if (!mountAt(join(root, "mounted"), "-t", "tmpfs", "none")) context.skip("mount is not permitted here");
    put(root, "mounted/x.pyc");
    expect(await searched(handsOn(root).files, "**/*.pyc")).toEqual({
      "found.pyc": "found",
      mounted: "it is on another file system",
    });
  });
});

test("a preserved file that a rule names is told with the reason", async () => {
  const root = temporaryDirectory();
  put(root, "tg.session");
  put(root, "TG.Session-journal");
  const { files } = handsOn(root, { preserve: ["*.session", "*.session-journal"] });
  expect(await searched(files, "*")).toEqual({
    "tg.session": "preserved (*.session)",
    "TG.Session-journal": "preserved (*.session-journal)",
  });
});

describe("hostile names", () => {
  const names = [
    "-rf.pyc",
    "a\nb.pyc",
    "\x1b[31mred.pyc",
    " .pyc",
    "..pyc",
    "*.pyc",
    "$(reboot).pyc",
    "\\.pyc",
  ];
  test.each([...names, `${"n".repeat(251)}.pyc`, "\u202egnp.pyc"])(
    "%j is found and removed",
    async (name) => {
      const root = temporaryDirectory();
      put(root, `sub/${name}`);
      put(root, "sub/other");
      const { files } = handsOn(root);
      const [found] = await all(files.find([{ patterns: ["**/*.pyc"] }]));
      expect(found?.path).toBe(`sub/${name}`);
      expect((await removed(files, seen(files, `sub/${name}`))).outcome).toBe("done");
      expect(readdirSync(join(root, "sub"))).toEqual(["other"]);
    },
  );

  test("a name that is not UTF-8 is kept, and the file with the replacement character too", async () => {
    const root = temporaryDirectory();
    writeFileSync(
      Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x61, 0xff]), Buffer.from(".pyc")]),
      "",
    );
    put(root, "b\ufffd.pyc");
    expect(await searched(handsOn(root).files, "**/*.pyc")).toEqual({
      "a\ufffd.pyc": "its name is not valid UTF-8",
      "b\ufffd.pyc": "its name is not valid UTF-8",
    });
  });

  test("a directory whose name is not UTF-8 is told, as nothing in it can be", async () => {
    const root = temporaryDirectory();
    const directory = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xc3])]);
    mkdirSync(directory);
    writeFileSync(Buffer.concat([directory, Buffer.from("/x.pyc")]), "");
    expect(await searched(handsOn(root).files, "**/*.pyc")).toEqual({
      "\ufffd": "its name is not valid UTF-8",
    });
  });
});

test.skipIf(!plainUserAvailable())(
  "as a plain user, what cannot be read is told and the rest is found",
  () => {
    const root = temporaryDirectory();
    openToAll(root);
    for (const name of ["closed", "unsearchable", "open"]) put(root, `${name}/x.pyc`);
    chmodSync(join(root, "closed"), 0o000);
    chmodSync(join(root, "unsearchable"), 0o444); // may be listed, but nothing in it may be looked at
    try {
      const answer = asPlainUser(
        `const found = await all(handsOn(facts.root).files.find([{ patterns: ["**/*.pyc"] }]));
       answer(Object.fromEntries(found.map(({ path, kept }) => [path, kept ?? "found"])));`,
        { root },
      );
      expect(answer).toEqual({
        closed: "cannot be read: EACCES",
        unsearchable: "cannot be read: EACCES",
        "open/x.pyc": "found",
      });
    } finally {
      for (const name of ["closed", "unsearchable"]) chmodSync(join(root, name), 0o755);
    }
  },
);

test("a tree 200 levels deep is searched to its end", async () => {
  const root = temporaryDirectory();
  const path = `${"d/".repeat(200)}x.pyc`;
  put(root, path);
  const { files } = handsOn(root);
  const [found] = await all(files.find([{ patterns: ["**/*.pyc"] }]));
  expect(found?.path).toBe(path);
  expect((await removed(files, seen(files, path))).outcome).toBe("done");
});

describe("a directory of 20,000 files", () => {
  const root = sharedTemporaryDirectory();
  beforeAll(() => {
    mkdirSync(join(root, "many"));
    execFileSync("sh", ["-c", "seq -f 'many/%05g.log' 20000 | xargs touch"], { cwd: root });
  });

  test("streams: the heap does not grow with it", async () => {
    const { files } = handsOn(root);
    let count = 0;
    let heapBytes = 0;
    const before = bytesInUse();
    for await (const { path } of files.find([{ patterns: ["many/*"] }])) {
      count += path === "" ? 0 : 1;
      if (count % 4_000 === 0) heapBytes = Math.max(heapBytes, bytesInUse() - before);
    }
    expect(count).toBe(20_000);
    expect(heapBytes).toBeLessThan(1_000_000); // a list of the names alone would be more
  });

  test("lets others have their turns, though nothing in it is a candidate", async () => {
    const { files } = handsOn(root);
    let turns = 0;
    const counting = setInterval(() => {
      turns += 1;
    }, 0);
    await all(files.find([{ patterns: ["many/*.none"] }]));
    clearInterval(counting);
    expect(turns).toBeGreaterThan(0);
  });

  test("a search in the middle of it ends when the run is aborted, and leaves no descriptor open", async () => {
    const stop = new AbortController();
    const { files } = handsOn(root, { signal: stop.signal });
    const before = readdirSync("/proc/self/fd").length;
    let count = 0;
    const search = async () => {
      for await (const _ of files.find([{ patterns: ["many/*"] }])) {
        count += 1;
        if (count === 1_000) stop.abort(new Error("enough"));
      }
    };
    await expect(search()).rejects.toThrow("enough");
    expect(count).toBe(1_000);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });

  test("a search may be left early", async () => {
    const { files } = handsOn(root);
    const before = readdirSync("/proc/self/fd").length;
    for await (const _ of files.find([{ patterns: ["many/*"] }])) break;
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});

test("entries that an earlier stage of a plan would have removed are not found", async () => {
  const root = temporaryDirectory();
  put(root, "pids/a.pid");
  put(root, "pids/b.pid");
  const presumed = { pids: new Set<number>(), paths: new Set(["pids/a.pid"]) };
  const { files } = handsOn(root, { mode: "plan", presumed });
  expect(await searched(files, "pids/*")).toEqual({ "pids/b.pid": "found" });
});

test.runIf(isRoot)("a device and a FIFO are seen as what they are", async () => {
  const root = temporaryDirectory();
  execFileSync("mkfifo", [join(root, "a")]);
  execFileSync("mknod", [join(root, "b"), "c", "1", "3"]);
  symlinkSync("a", join(root, "c"));
  const found = await all(handsOn(root).files.find([{ patterns: ["*"] }]));
  expect(found.map(({ path, entry }) => `${path} ${entry?.kind}`).sort()).toEqual([
    "a other",
    "b other",
    "c link",
  ]);
});

/** Bytes on the heap after a full collection. */
function bytesInUse(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}
