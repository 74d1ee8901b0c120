import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { EXCEPTIONS, MECHANISMS } from "../../scripts/soak/mechanisms/all.ts";

/* `npm run soak -- --only mechanisms` takes out what keeps the promises of docs/safety.md. Here: that its list is true. */

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

function textOf(file: string): string {
  const path = join(PROJECT, file);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** The rows of all tables whose first column is called `promise`. */
function promisesIn(text: string): { promise: string; tests: string }[] {
  return text
    .split(/\n\n+/)
    .filter((block) => /^\| promise /.test(block))
    .flatMap((table) => table.trim().split("\n").slice(2))
    .map((row) => row.split(/(?<!\\)\|/).map((cell) => cell.trim()))
    .map(([, promise = "", , tests = ""]) => ({ promise, tests }));
}

const ROWS = promisesIn(textOf("docs/safety.md"));

test("every promise of docs/safety.md has its mechanisms in the list, or a reason why there is none", () => {
  const named = [...MECHANISMS, ...EXCEPTIONS].map(({ promise }) => promise);
  const missing = ROWS.filter((row) => !named.some((part) => row.promise.includes(part)));
  expect(missing).toEqual([]);
});

test("every mechanism and every exception names one promise, without a doubt", () => {
  const rowsFor = (part: string) => ROWS.filter(({ promise }) => promise.includes(part));
  const named = [...MECHANISMS, ...EXCEPTIONS].map(({ promise }) => promise);
  expect(named.filter((part) => rowsFor(part).length !== 1)).toEqual([]);
});

test("what is taken out stands in its file exactly once", () => {
  const edits = MECHANISMS.flatMap((mechanism) => mechanism.edits);
  expect(edits.filter(({ file, find }) => textOf(file).split(find).length !== 2)).toEqual([]);
});

test("the test that must fail is there, and docs/safety.md names its file", () => {
  const isNamed = (promise: string, file: string) =>
    ROWS.some((row) => row.promise.includes(promise) && row.tests.includes(basename(file, ".test.ts")));
  const wrong = MECHANISMS.filter(
    ({ promise, test: { file, name } }) => !textOf(file).includes(name) || !isNamed(promise, file),
  );
  expect(wrong.map(({ promise, test }) => ({ promise, test }))).toEqual([]);
});
