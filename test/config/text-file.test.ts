import { execFileSync } from "node:child_process";
import { readFileSync, statSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { SafeShutdownError } from "../../src/errors.ts";
import { MAX_TEXT_BYTES, readTextFile, realPathOf, writeNewFile } from "../../src/system/text-file.ts";
import { rootWith } from "./workshop.ts";

const refused = (says: RegExp) =>
  expect.objectContaining({ code: "refused", message: expect.stringMatching(says) });

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(SafeShutdownError);
    return error;
  }
  return undefined;
}

describe("reading", () => {
  test("gives the text, also through a link and without a byte order mark", () => {
    const root = rootWith({ "a.txt": "\ufeffgrüße\n" });
    symlinkSync("a.txt", join(root, "link"));
    expect(readTextFile(join(root, "link"))).toBe("grüße\n");
  });

  test.each(["missing", "a.txt/below"])("gives nothing for %s", (path) => {
    expect(readTextFile(join(rootWith({ "a.txt": "x" }), path))).toBeUndefined();
  });

  test("takes exactly the limit, and refuses one byte more", () => {
    const root = rootWith({ fits: "x".repeat(MAX_TEXT_BYTES), more: "x".repeat(MAX_TEXT_BYTES + 1) });
    expect(readTextFile(join(root, "fits"))).toHaveLength(MAX_TEXT_BYTES);
    expect(thrownBy(() => readTextFile(join(root, "more")))).toEqual(refused(/larger than 1 MiB/));
  });

  test("refuses a directory", () => {
    expect(thrownBy(() => readTextFile(rootWith()))).toEqual(refused(/not a regular file/));
  });

  test("refuses a FIFO at once, without waiting for a writer", () => {
    const fifo = join(rootWith(), "fifo");
    execFileSync("mkfifo", [fifo]);
    expect(thrownBy(() => readTextFile(fifo))).toEqual(refused(/not a regular file/));
  });

  test("refuses a socket", async () => {
    const path = join(rootWith(), "socket");
    const server = createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect(thrownBy(() => readTextFile(path))).toEqual(refused(/not a regular file/));
  });

  test("refuses what is not UTF-8", () => {
    const root = rootWith();
    execFileSync("sh", ["-c", "printf '\\377\\376' > bad"], { cwd: root });
    expect(thrownBy(() => readTextFile(join(root, "bad")))).toEqual(refused(/not UTF-8/));
  });

  test("refuses a link to itself", () => {
    const link = join(rootWith(), "link");
    symlinkSync("link", link);
    expect(thrownBy(() => readTextFile(link))).toEqual(refused(/ELOOP/));
  });
});

describe("writing", () => {
  test("makes a file with mode 0644", () => {
    const path = join(rootWith(), "new.yaml");
    const before = process.umask(0o022);
    onTestFinished(() => void process.umask(before));
    writeNewFile(path, "app: ä\n");
    expect(readFileSync(path, "utf8")).toBe("app: ä\n");
    expect(statSync(path).mode & 0o777).toBe(0o644);
  });

  test("never overwrites a file", () => {
    const path = join(rootWith({ "old.yaml": "old" }), "old.yaml");
    expect(thrownBy(() => writeNewFile(path, "new"))).toEqual(refused(/exists already/));
    expect(readFileSync(path, "utf8")).toBe("old");
  });

  test("never follows a link, not even one that leads nowhere", () => {
    const root = rootWith();
    symlinkSync("target", join(root, "link"));
    expect(thrownBy(() => writeNewFile(join(root, "link"), "new"))).toEqual(refused(/exists already/));
    expect(readTextFile(join(root, "target"))).toBeUndefined();
  });

  test("says why a directory that is missing cannot take it", () => {
    expect(thrownBy(() => writeNewFile(join(rootWith(), "no/x"), "new"))).toEqual(refused(/ENOENT/));
  });
});

test("the real path is without links, and the path itself when nothing is there", () => {
  const root = rootWith({ "a.txt": "" });
  symlinkSync("a.txt", join(root, "link"));
  expect(realPathOf(join(root, "link"))).toBe(join(root, "a.txt"));
  expect(realPathOf(join(root, "none"))).toBe(join(root, "none"));
});
