import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, formatExactDuration, parseDuration } from "../../src/config/duration.ts";

describe("a duration as it is written", () => {
  test.each([
    ["90s", 90_000],
    ["5m", 300_000],
    ["7d", 604_800_000],
    ["1h30m", 5_400_000],
    ["1h 30m", 5_400_000],
    ["1.5h", 5_400_000],
    ["250ms", 250],
    ["0s", 0],
    ["1m1ms", 60_001],
  ])("%s is %i ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    "",
    "5",
    "-5m",
    "5M",
    "5 minutes",
    "m",
    "5m!",
    "1e3s",
    "5mm",
    ".5h",
    "1h-30m",
    "9".repeat(20).concat("d"),
  ])("%j is none", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

test("what is written exactly reads as the same again", () => {
  fc.assert(
    fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (ms) => {
      expect(parseDuration(formatExactDuration(ms))).toBe(ms);
    }),
  );
});

test.each([
  [0, "0ms"],
  [999, "999ms"],
  [1_000, "1s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [90_000, "1m 30s"],
  [86_400_000, "1d"],
  [86_400_000 + 60_000, "1d"],
  [3 * 86_400_000 + 2 * 3_600_000 + 5, "3d 2h"],
  [-90_000, "-1m 30s"],
])("%i ms are said as %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
