import fc from "fast-check";
import picomatch from "picomatch";
import { describe, expect, test } from "vitest";
import { matcherOf, preserverOf } from "../../src/system/patterns.ts";

const means = (pattern: string, path: string) => matcherOf([pattern])(path);

test.each([
  { pattern: "./logs//*.log", path: "logs/a.log" },
  { pattern: "logs/./*.log", path: "logs/a.log" },
  { pattern: "{a,b/c}/*.tmp", path: "b/c/x.tmp" },
  { pattern: "{a,{b,c}d}.tmp", path: "cd.tmp" },
  { pattern: "[!a-c]x", path: "dx" },
  { pattern: "[]x]", path: "]" },
  { pattern: "[a-]", path: "-" },
  { pattern: "a?c", path: "a\u{1f4a9}c" },
  { pattern: "\\*\\{a,b\\}", path: "*{a,b}" },
  { pattern: "tmp/**", path: "tmp/a/b" },
  { pattern: "a*a", path: "aa" },
  { pattern: "*[a]b", path: "aab" }, // the star gives back what it took
  { pattern: "*?ab", path: "aaab" },
])("$pattern means $path", ({ pattern, path }) => {
  expect(means(pattern, path)).toBe(true);
});

test.each([
  { pattern: "tmp/**", path: "tmp" },
  { pattern: "a*a", path: "a" },
  { pattern: "[a-c]x", path: "dx" },
  { pattern: "a?c", path: "ac" },
  { pattern: "**/a/*.tmp", path: "a/b/c.tmp" },
  { pattern: ".", path: "a" },
])("$pattern does not mean $path", ({ pattern, path }) => {
  expect(means(pattern, path)).toBe(false);
});

test.each([
  { pattern: "{a,b", because: "a { is not closed" },
  { pattern: "[a", because: "a [ is not closed" },
  { pattern: "{a}", because: "write {a,b}" },
  { pattern: "{1..9}", because: "write {a,b}" },
  { pattern: "!(a)", because: "not understood" },
  { pattern: "x+(a|b)", because: "write {a,b}" },
  { pattern: "!a", because: "a ! at the start is not understood" },
  { pattern: "[[:digit:]]", because: "write [a-z] or [0-9]" },
  { pattern: "{a,b}".repeat(10), because: "more than 1000 alternatives" },
])("$pattern is refused: $because", ({ pattern, because }) => {
  expect(() => matcherOf([pattern])).toThrow(because);
  expect(() => preserverOf([pattern])).toThrow(because);
});

/* A local user makes names; a glob that is matched by trying all ways takes 42 s for the first of these. */
describe("a hostile name does not hold up the search", () => {
  test.each([
    { pattern: "*a*a*a*a*b.pyc", path: `${"a".repeat(250)}b` },
    { pattern: "*?a*?a*[a]?*b", path: "a".repeat(255) },
    { pattern: "**/a/**/b/**/*.tmp", path: `${"a/b/".repeat(1_000)}x.pyc` },
    { pattern: "{*a*a,*a*a*a}*{b,c}", path: "a".repeat(255) },
  ])("of $pattern", ({ pattern, path }) => {
    const startedAt = performance.now();
    expect([means(pattern, path), preserverOf([pattern])(path)]).toEqual([false, undefined]);
    expect(performance.now() - startedAt).toBeLessThan(500); // some 20 ms
  });
});

describe("the same paths are meant as by picomatch", () => {
  const piece = fc.constantFrom(
    "a",
    "b",
    ".",
    "-",
    "*",
    "?",
    "[ab]",
    "[^a]",
    "{a,bb}",
    "\\*",
    "\n",
    "\u00e9",
  );
  const name = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(""));
  const isOrdinary = (text: string) => !text.includes("**") && text !== "." && text !== "..";
  const pattern = fc
    .tuple(
      fc.array(fc.oneof(name.filter(isOrdinary), fc.constant("**")), { maxLength: 3 }),
      name.filter(isOrdinary),
    )
    .map(([names, last]) => [...names, last].join("/"));
  const path = fc
    .array(fc.stringMatching(/^[ab.*\n\u00e9-]{1,5}$/).filter(isOrdinary), { minLength: 1, maxLength: 4 })
    .map((names) => names.join("/"));

  test("whatever the pattern and the path", () => {
    fc.assert(
      fc.property(pattern, path, (glob, there) => {
        const isMeant = picomatch(glob, { dot: true, flags: "s", nonegate: true })(there);
        expect(means(glob, there)).toBe(isMeant);
      }),
      { numRuns: 2_000 },
    );
  });

  test("whichever of many is asked about, whatever was asked before", () => {
    const few = ["a", "b", "ab"];
    const names = fc.array(fc.constantFrom(...few, "*", "?b", "{a,b}", "**"), { maxLength: 2 });
    const globs = fc
      .tuple(names, fc.constantFrom(...few, "*b"))
      .map(([above, last]) => [...above, last].join("/"));
    const paths = fc
      .array(fc.constantFrom(...few), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join("/"));
    fc.assert(
      fc.property(fc.array(globs, { minLength: 1, maxLength: 4 }), fc.array(paths), (list, asked) => {
        const isMeant = matcherOf(list);
        for (const there of asked) expect(isMeant(there)).toBe(picomatch.isMatch(there, list));
      }),
      { numRuns: 1_000 },
    );
  });
});
