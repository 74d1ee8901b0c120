import fc from "fast-check";
import { expect, test } from "vitest";
import { editDistance, nearest } from "../../src/config/similar.ts";

const KEYS = ["name", "pidFiles", "matches", "grace", "afterGrace", "strays"];

test.each([
  ["grac", "grace"],
  ["garce", "grace"],
  ["pid_files", "pidFiles"],
  ["PIDFILES", "pidFiles"],
  ["afterGrase", "afterGrace"],
  ["nmae", "name"],
  ["match", "matches"],
  ["x", undefined],
  ["timeout", undefined],
  ["gr", undefined],
])("%s was probably meant as %s", (word, meant) => {
  expect(nearest(word, KEYS)).toBe(meant);
});

test.each([
  ["", "", 0],
  ["", "abc", 3],
  ["abc", "abc", 0],
  ["abc", "acb", 1],
  ["abc", "abd", 1],
  ["abc", "ab", 1],
  ["kitten", "sitting", 3],
  ["ca", "abc", 3],
])("%j is %j with %i changes", (from, to, distance) => {
  expect(editDistance(from, to)).toBe(distance);
});

test("the distance is the same both ways, and 0 only for the same word", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b) === 0).toBe(a === b);
    }),
  );
});
