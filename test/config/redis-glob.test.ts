import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matchesRedisGlob, redisGlobsOverlap, tailAfterLastStar } from "../../src/config/redis-glob.ts";

describe("a key is meant as Redis itself would have it", () => {
  test.each([
    ["h?llo", "hello", true],
    ["h?llo", "hllo", false],
    ["h*llo", "heeello", true],
    ["h*llo", "hllo", true],
    ["h[ae]llo", "hallo", true],
    ["h[ae]llo", "hillo", false],
    ["h[^e]llo", "hallo", true],
    ["h[^e]llo", "hello", false],
    ["h[^e]llo", "h^llo", true],
    ["h[a-b]llo", "hbllo", true],
    ["h[b-a]llo", "hallo", true],
    ["h[a-b]llo", "hcllo", false],
    ["h\\*llo", "h*llo", true],
    ["h\\*llo", "hello", false],
    ["a\\", "a\\", true],
    ["[abc", "b", true],
    ["[abc", "d", false],
    ["[]", "a", false],
    ["[^]", "a", true],
    ["[\\]]", "]", true],
    ["[a-]x]", "_", true], // a range from "a" down to "]", then x
    ["[a-]x]", "-", false],
    ["[a-", "-", true],
    ["**a", "bba", true],
    ["{a,b}", "a", false],
    ["?", "é", false], // one byte, and é has two
    ["??", "é", true],
    ["", "", true],
    ["", "a", false],
    ["a", "", false],
  ])("%j and %j: %s", (pattern, key, isMeant) => {
    expect(matchesRedisGlob(pattern, key)).toBe(isMeant);
  });
});

test.each([
  ["telegram_message:*", "unacked*", false],
  ["u*", "unacked*", true],
  ["*:x", "unacked*", true],
  ["a*c", "a?", true],
  ["a*cc", "a?", false],
  ["[a-f]x", "[e-z]x", true],
  ["[a-d]x", "[e-z]x", false],
  ["[]*", "*", false],
  ["a[^b]", "ab", false],
])("%j and %j share a key: %s", (a, b, share) => {
  expect(redisGlobsOverlap(a, b)).toBe(share);
  expect(redisGlobsOverlap(b, a)).toBe(share);
});

/** Globs that tell a, b and the rest (c) apart: few enough keys to try all that could be the shortest. */
const glob = fc
  .array(fc.constantFrom("a", "b", "*", "?", "[ab]", "[^a]", "[a]", "[]", "[^b]", "\\a", "[b-a]"), {
    maxLength: 4,
  })
  .map((parts) => parts.join(""));
const KEYS = [""].concat(...[1, 2, 3, 4, 5, 6, 7, 8].map(keysOfLength));

function keysOfLength(length: number): string[] {
  return Array.from({ length: 3 ** length }, (_, index) =>
    index.toString(3).padStart(length, "0").replaceAll("0", "a").replaceAll("1", "b").replaceAll("2", "c"),
  );
}

/** An oracle of another make: the same glob as a regular expression. */
function regExpOf(pattern: string): RegExp {
  const source = pattern
    .replaceAll("[]", "(?!)")
    .replaceAll("[b-a]", "[ab]")
    .replaceAll("\\a", "a")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s");
}

test("any glob means the keys that the same regular expression means", () => {
  fc.assert(
    fc.property(glob, fc.constantFrom(...KEYS), (pattern, key) => {
      expect(matchesRedisGlob(pattern, key)).toBe(regExpOf(pattern).test(key));
    }),
    { numRuns: 2_000 },
  );
});

test("two globs overlap exactly when trying every key finds one", () => {
  fc.assert(
    fc.property(glob, glob, (a, b) => {
      const [left, right] = [regExpOf(a), regExpOf(b)];
      expect(redisGlobsOverlap(a, b)).toBe(KEYS.some((key) => left.test(key) && right.test(key)));
    }),
    { numRuns: 500 },
  );
});

test("patterns made to be slow are not", () => {
  const startedAt = process.hrtime.bigint();
  expect(matchesRedisGlob(`${"a*".repeat(200)}b`, "a".repeat(1_000))).toBe(false);
  expect(redisGlobsOverlap(`${"*a".repeat(200)}`, `${"*b".repeat(200)}`)).toBe(false);
  expect(Number(process.hrtime.bigint() - startedAt) / 1e6).toBeLessThan(1_000);
});

test.each([
  ["a*bc", "bc"],
  ["a*b*", ""],
  ["abc", undefined],
  ["a\\*b", undefined],
  ["[*]b", undefined],
  ["x*é[*]", "é[*]"],
])("what follows the last star of %j is %j", (pattern, tail) => {
  expect(tailAfterLastStar(pattern)).toBe(tail);
});
