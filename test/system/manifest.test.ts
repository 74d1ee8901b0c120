import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/system/clock.ts";
import { type ManifestLine, parseLines } from "../../src/system/manifest-line.ts";
import { MANIFEST_MAX_AGE_MS, MANIFESTS_KEPT } from "../../src/system/manifest-rotation.ts";
import { all, DAY, HOUR, handsOn, mountAt, put, RUN, removed, removedUnit, seen } from "../support/hands.ts";
import { diff, snapshot } from "../support/listing.ts";
import { isRoot } from "../support/plain-user.ts";
import { temporaryDirectory } from "../support/temp.ts";

const OWN = ".safe-shutdown";
const MANIFEST = `${OWN}/${RUN}.jsonl`;

/** A root whose hands write their manifest into it. */
function app(...paths: string[]) {
  const root = temporaryDirectory();
  for (const path of paths) put(root, path, "0123456789");
  return { root, files: handsOn(root, { ownRoot: root }).files };
}

function linesIn(root: string, path = MANIFEST): ManifestLine[] {
  return parseLines(readFileSync(join(root, path), "utf8")).lines;
}

test("a line holds all that was known of the file", async () => {
  const { root, files } = app("logs/a");
  const { ino, mtimeMs } = statSync(join(root, "logs/a"));
  await removed(files, seen(files, "logs/a"));
  const { at, ...line } = linesIn(root)[0] ?? { at: "" };
  expect(Date.parse(at)).toBeGreaterThan(Date.now() - HOUR);
  expect(line).toEqual({
    ...{ job: "test", host: "h1", reason: "a test" },
    ...{ kind: "file", path: "logs/a", sizeBytes: 10, modifiedAtMs: mtimeMs, inode: ino },
  });
});

test("only its owner may read it", async () => {
  const { root, files } = app("a");
  await removed(files, seen(files, "a"));
  expect(statSync(join(root, OWN)).mode & 0o7777).toBe(0o700);
  expect(statSync(join(root, MANIFEST)).mode & 0o7777).toBe(0o600);
});

test("a directory that goes as a unit has a line for each file in it, and one of its own", async () => {
  const { root, files } = app("__pycache__/a.pyc", "__pycache__/b.pyc");
  await removedUnit(files, seen(files, "__pycache__"), ["*.pyc"]);
  const paths = linesIn(root).map(({ path }) => path);
  expect(paths.toSorted()).toEqual(["__pycache__", "__pycache__/a.pyc", "__pycache__/b.pyc"]);
});

test.each(["a\nb", '{"path":"forged"}', "\u001b[31mred", "-rf", "ä".repeat(127), "e\u0301 \u{1f600}"])(
  "the name %j is written so that it is read as it was",
  async (name) => {
    const { root, files } = app(name);
    await removed(files, seen(files, name));
    expect(linesIn(root).map(({ path }) => path)).toEqual([name]);
  },
);

test("neither a plan nor a run that finds nothing to remove leaves one", async () => {
  const root = temporaryDirectory();
  put(root, "a");
  const plan = handsOn(root, { ownRoot: root, mode: "plan" }).files;
  await removed(plan, seen(plan, "a"));
  const { files } = handsOn(root, { ownRoot: root });
  for await (const _ of files.remove([])) throw new Error("expected nothing");
  expect(readdirSync(root)).toEqual(["a"]);
});

test("jobs of one run write to one manifest; a line that an older one left torn spoils no other", async () => {
  const { root, files } = app("a", "b", "c");
  await removed(files, seen(files, "a"));
  files.close();
  truncateSync(join(root, MANIFEST), statSync(join(root, MANIFEST)).size - 5);
  const other = handsOn(root, { ownRoot: root }).files;
  await removed(other, seen(other, "b"));
  await removed(files, seen(files, "c"));
  const { lines, torn } = parseLines(readFileSync(join(root, MANIFEST), "utf8"));
  expect([lines.map(({ path }) => path), torn]).toEqual([["b", "c"], 1]);
});

test("what an earlier attempt of the same job removed counts for its limit; another job's does not", async () => {
  const root = temporaryDirectory();
  for (const name of ["a", "b", "c", "d"]) put(root, name);
  const first = handsOn(root, { ownRoot: root, limit: 3 }).files;
  for (const name of ["a", "b"]) await removed(first, seen(first, name));
  const others = readFileSync(join(root, MANIFEST), "utf8").replaceAll('"job":"test"', '"job":"another"');
  appendFileSync(join(root, MANIFEST), others);
  const second = handsOn(root, { ownRoot: root, limit: 3 }).files;
  expect((await removed(second, seen(second, "c"))).outcome).toBe("done");
  await expect(removed(second, seen(second, "d"))).rejects.toThrow(
    "limits.files (3) is reached: 3 files were",
  );
});

describe("an earlier attempt counts what limits count", () => {
  const KIB = 1_024;
  /** The hands of another attempt. */
  const attempt = (
    root: string,
    limits: { limit?: number; limitBytes?: number },
    clock: Clock = systemClock,
  ) => handsOn(root, { ownRoot: root, clock, ...limits }).files;
  /** A manifest as versions before this one wrote it, or a far longer one. */
  function writeManifest(root: string, amount: number, sizeBytes: number): void {
    const line = (n: number) =>
      JSON.stringify({
        ...{ at: "2027-01-31T00:05:00.000Z", job: "test", host: "h1", kind: "file", path: `old/${n}` },
        ...{ sizeBytes, modifiedAtMs: 1.8e12, inode: n, reason: "a test" },
      });
    mkdirSync(join(root, OWN), { mode: 0o700 });
    const text = Array.from({ length: amount }, (_, n) => `${line(n)}\n`).join("");
    writeFileSync(join(root, MANIFEST), text, { mode: 0o600 });
  }

  test("what a sparse file and a hard link give back, not their size", async () => {
    const root = temporaryDirectory();
    truncateSync(put(root, "sparse", ""), 1_024 * KIB);
    linkSync(put(root, "linked", "x".repeat(64 * KIB)), join(root, "its-other-name"));
    put(root, "plain", "x".repeat(4 * KIB));
    put(root, "next", "x".repeat(8 * KIB));
    const limits = { limitBytes: 12 * KIB };
    const first = attempt(root, limits);
    for (const name of ["sparse", "linked", "plain"]) await removed(first, seen(first, name));
    const given = linesIn(root).map(({ sizeBytes, freesBytes = sizeBytes }) => freesBytes);
    expect(given).toEqual([0, 0, 4 * KIB]);
    const second = attempt(root, limits);
    expect((await removed(second, seen(second, "next"))).outcome).toBe("done");
    put(root, "one-more", "x");
    await expect(removed(second, seen(second, "one-more"))).rejects.toThrow("limits.bytes");
  });

  test("all files of a directory that went to quarantine in one piece", async () => {
    const root = temporaryDirectory();
    for (const name of ["tmp/a", "tmp/b", "tmp/c", "d", "e"]) put(root, name, "x".repeat(4 * KIB));
    const first = attempt(root, { limit: 4 });
    const entry = seen(first, "tmp");
    const { unit } = await first.unitOf(entry, ["*"]);
    await first.removeOne({ entry, unit, reason: "a test", quarantineMs: DAY });
    expect(linesIn(root)).toEqual([
      expect.objectContaining({ kind: "directory", files: 3, freesBytes: 12 * KIB }),
    ]);
    const second = attempt(root, { limit: 4 });
    expect((await removed(second, seen(second, "d"))).outcome).toBe("done");
    await expect(removed(second, seen(second, "e"))).rejects.toThrow("limits.files (4) is reached: 4 files");
  });

  test("the size where an older version wrote no more than that", async () => {
    const root = temporaryDirectory();
    for (const name of ["a", "b"]) put(root, name, "x");
    writeManifest(root, 3, 10);
    const files = attempt(root, { limitBytes: 31 });
    expect((await removed(files, seen(files, "a"))).outcome).toBe("done");
    await expect(removed(files, seen(files, "b"))).rejects.toThrow("limits.bytes (31B) is reached: 4 files");
  });

  test("in turns, however long its manifest is; once, where several are removed at the same time", async () => {
    const root = temporaryDirectory();
    const names = ["a", "b", "c"];
    for (const name of names) put(root, name, "x");
    writeManifest(root, 60_000, 10);
    let turns = 0;
    const breathe = () => {
      turns += 1;
      return systemClock.breathe();
    };
    const files = attempt(root, { limit: 60_003 }, { ...systemClock, breathe });
    const effects = await Promise.all(names.map((name) => removed(files, seen(files, name))));
    expect(effects.map(({ outcome }) => outcome)).toEqual(["done", "done", "done"]);
    expect(turns).toBeGreaterThan(3 + names.length); // each removal may take one for itself
  });
});

describe("what may be somebody else's is refused, and nothing is removed", () => {
  const FOREIGN_UID = 4_242;
  const inside = (make: (path: string) => void) => (root: string) => {
    mkdirSync(join(root, OWN), { mode: 0o700 });
    make(join(root, MANIFEST));
  };
  const PLANTED: {
    what: string;
    plant: (root: string, outside: string) => void;
    says: string;
    rootOnly?: true;
  }[] = [
    {
      what: "a link to a directory",
      plant: (root, outside) => symlinkSync(outside, join(root, OWN)),
      says: "it is a symbolic link",
    },
    {
      what: "a link to nothing",
      plant: (root) => symlinkSync("/nowhere", join(root, OWN)),
      says: "it is a symbolic link",
    },
    { what: "a file", plant: (root) => writeFileSync(join(root, OWN), ""), says: "it is no directory" },
    {
      what: "a FIFO",
      plant: (root) => execFileSync("mkfifo", [join(root, OWN)]),
      says: "it is no directory",
    },
    {
      what: "a directory that others may enter",
      plant: (root) => {
        mkdirSync(join(root, OWN));
        chmodSync(join(root, OWN), 0o750);
      },
      says: "others may use it (mode 0750)",
    },
    {
      what: "a directory of somebody else",
      plant: (root) => {
        mkdirSync(join(root, OWN), { mode: 0o700 });
        chownSync(join(root, OWN), FOREIGN_UID, FOREIGN_UID);
      },
      says: "it belongs to uid 4242",
      rootOnly: true,
    },
    {
      what: "a manifest that is a link",
      plant: (root, outside) => inside((path) => symlinkSync(join(outside, "canary"), path))(root),
      says: "it is a symbolic link",
    },
    {
      what: "a manifest that is a hard link",
      plant: (root, outside) => {
        chmodSync(join(outside, "canary"), 0o600);
        inside((path) => linkSync(join(outside, "canary"), path))(root);
      },
      says: "it has another name elsewhere",
    },
    {
      what: "a manifest that is a FIFO",
      plant: inside((path) => execFileSync("mkfifo", ["-m", "600", path])),
      says: "it is no file",
    },
    {
      what: "a manifest that others may write",
      plant: inside((path) => {
        writeFileSync(path, "");
        chmodSync(path, 0o622);
      }),
      says: "others may use it (mode 0622)",
    },
    {
      what: "a manifest of somebody else",
      plant: inside((path) => {
        writeFileSync(path, "", { mode: 0o600 });
        chownSync(path, FOREIGN_UID, FOREIGN_UID);
      }),
      says: "it belongs to uid 4242",
      rootOnly: true,
    },
  ];

  test.each(PLANTED.filter(({ rootOnly }) => !rootOnly || isRoot))("$what", async ({ plant, says }) => {
    const { root, files } = app("logs/a");
    const outside = temporaryDirectory();
    put(outside, "canary", "canary");
    plant(root, outside);
    const [before, beside] = [snapshot(root), snapshot(outside)];
    await expect(removed(files, seen(files, "logs/a"))).rejects.toThrow(says);
    await expect(removed(files, seen(files, "logs/a"))).rejects.toMatchObject({ code: "refused" });
    expect(diff(before, snapshot(root))).toEqual({ added: [], removed: [], changed: [] });
    expect(diff(beside, snapshot(outside))).toEqual({ added: [], removed: [], changed: [] });
  });

  test.runIf(isRoot)("a mount", async (context) => {
    const { root, files } = app("logs/a");
    mkdirSync(join(root, OWN), { mode: 0o700 });
    if (!mountAt(join(root, OWN), "-t", "tmpfs", "-o", "mode=0700", "tmpfs")) context.skip("no mount here");
    await expect(removed(files, seen(files, "logs/a"))).rejects.toThrow("it is on another file system");
    expect(existsSync(join(root, "logs/a"))).toBe(true);
  });
});

test.runIf(isRoot)("nothing is removed when the disk has no room for the manifest", async (context) => {
  const root = temporaryDirectory();
  if (!mountAt(root, "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs")) context.skip("no mount here");
  const names = Array.from({ length: 300 }, (_, n) => `${n}-${"x".repeat(200)}`);
  for (const name of names) put(root, name, "");
  const { files } = handsOn(root, { ownRoot: root });
  const source = names.map((name) => ({ entry: seen(files, name), reason: "a test" }));
  const go = async () => {
    for await (const _ of files.remove(source));
  };
  await expect(go()).rejects.toThrow(/cannot be used: the disk is full \(ENOSPC\); free some room first/);
  const left = new Set(readdirSync(root));
  expect(names.filter((name) => !left.has(name))).toEqual([]);
});

describe("manifests of long ago", () => {
  function rootWith(manifests: Readonly<Record<string, number>>): string {
    const root = temporaryDirectory();
    put(root, "a");
    mkdirSync(join(root, OWN), { mode: 0o700 });
    for (const [name, ageMs] of Object.entries(manifests)) {
      const path = join(root, OWN, name);
      writeFileSync(path, "", { mode: 0o600 });
      utimesSync(path, Date.now() / 1_000, (Date.now() - ageMs) / 1_000);
    }
    return root;
  }
  async function runOn(root: string): Promise<string[]> {
    const { files } = handsOn(root, { ownRoot: root });
    await removed(files, seen(files, "a"));
    return readdirSync(join(root, OWN)).filter((name) => !name.startsWith(RUN));
  }

  test("go by their age; what is no manifest stays", async () => {
    const root = rootWith({
      "run-young.jsonl": MANIFEST_MAX_AGE_MS - HOUR,
      "run-old.jsonl": MANIFEST_MAX_AGE_MS + HOUR,
      "notes.txt": 2 * MANIFEST_MAX_AGE_MS,
    });
    expect((await runOn(root)).toSorted()).toEqual(["notes.txt", "run-young.jsonl"]);
  });

  test("go by their number, the oldest first", async () => {
    const names = Array.from({ length: MANIFESTS_KEPT + 2 }, (_, n) => [`run-${n}.jsonl`, n * HOUR] as const);
    const left = await runOn(rootWith(Object.fromEntries(names)));
    expect(left).toHaveLength(MANIFESTS_KEPT);
    expect(left).not.toContain(`run-${MANIFESTS_KEPT}.jsonl`);
  });

  test("stay as long as their run has something in quarantine", async () => {
    const root = rootWith({ "run-old.jsonl": MANIFEST_MAX_AGE_MS + DAY });
    mkdirSync(join(root, OWN, "quarantine/run-old"), { recursive: true, mode: 0o700 });
    expect(await runOn(root)).toContain("run-old.jsonl");
  });
});

test.each([
  { evenPreserved: false, preserve: [] },
  { evenPreserved: true, preserve: ["**/.safe-shutdown"] },
])("no rule reaches it, whatever is preserved ($evenPreserved)", async ({ evenPreserved, preserve }) => {
  const root = temporaryDirectory();
  put(root, "a.jsonl");
  const { files } = handsOn(root, { ownRoot: root, preserve });
  await removed(files, seen(files, "a.jsonl"));
  put(root, "b.jsonl");
  const found = await all(files.find([{ patterns: ["**/*.jsonl", ".*/**", ".*"] }], { evenPreserved }));
  expect(found.map(({ path }) => path)).toEqual(["b.jsonl"]);
});
