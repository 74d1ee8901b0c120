import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, statSync, symlinkSync, utimesSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readUntouched } from "../../src/system/read-untouched.ts";
import { openToAll, put } from "../support/hands.ts";
import { asPlainUser, plainUserAvailable } from "../support/plain-user.ts";
import { temporaryDirectory } from "../support/temp.ts";

const anything = () => true;

test.each([
  { bytes: 10, maxBytes: 64, got: "0123456789" },
  { bytes: 10, maxBytes: 10, got: "0123456789" },
  { bytes: 10, maxBytes: 9, got: "012345678" },
  { bytes: 0, maxBytes: 64, got: "" },
])("of $bytes bytes the first $maxBytes are read", ({ bytes, maxBytes, got }) => {
  const path = put(temporaryDirectory(), "file", "0123456789".slice(0, bytes));
  expect(readUntouched(path, maxBytes, anything)?.toString()).toBe(got);
});

test("reading leaves the access time alone", () => {
  const path = put(temporaryDirectory(), "file", "4242");
  utimesSync(path, 1_000_000, 2_000_000); // older than the modification: a relatime mount would update it
  readUntouched(path, 64, anything);
  expect(statSync(path).atimeMs).toBe(1_000_000_000);
});

test("a file that is not the one that was meant is not read", () => {
  const path = put(temporaryDirectory(), "file");
  expect(readUntouched(path, 64, ({ inode }) => inode === 0)).toBeUndefined();
});

test.each([
  { what: "a FIFO", make: (path: string) => execFileSync("mkfifo", [path]) },
  { what: "a directory", make: (path: string) => mkdirSync(path) },
  { what: "a symbolic link", make: (path: string) => symlinkSync("/etc/hostname", path) },
  { what: "a dangling link", make: (path: string) => symlinkSync("nowhere", path) },
  { what: "nothing", make: () => undefined },
])("$what is not read, and not waited for", ({ make }) => {
  const path = join(temporaryDirectory(), "file");
  make(path);
  expect(readUntouched(path, 64, anything)).toBeUndefined();
});

test("a socket is not read", async () => {
  const path = join(temporaryDirectory(), "socket");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    expect(readUntouched(path, 64, anything)).toBeUndefined();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test.skipIf(!plainUserAvailable())("as a plain user", async () => {
  const root = temporaryDirectory();
  openToAll(root);
  chmodSync(put(root, "secret", "4242"), 0o600);
  chmodSync(put(root, "public", "4242"), 0o644);
  const answer = asPlainUser(
    `const { readUntouched } = await import(dist + "system/read-untouched.js");
     const read = (name) => readUntouched(facts.root + "/" + name, 64, () => true)?.toString() ?? null;
     answer([read("secret"), read("public")]);`,
    { root },
  );
  const own = process.getuid?.() !== 0;
  expect(answer).toEqual([own ? "4242" : null, "4242"]);
});
