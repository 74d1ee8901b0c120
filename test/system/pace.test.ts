import { expect, test } from "vitest";
import { systemClock } from "../../src/system/clock.ts";
import { Pace } from "../../src/system/pace.ts";

/** What was slept after calls that waited so long for their turn, each holding Redis for 2 ms. */
async function pausesAfter(waitsMs: readonly number[], maxKeysPerSecond?: number): Promise<number[]> {
  let nowMs = 0;
  const pauses: number[] = [];
  const clock = {
    ...systemClock,
    elapsed: () => nowMs,
    sleep: async (ms: number) => {
      pauses[pauses.length - 1] = Math.round(ms);
      nowMs += ms;
    },
  };
  const pace = new Pace(maxKeysPerSecond, clock);
  for (const waitMs of waitsMs) {
    pauses.push(0);
    nowMs += waitMs + 2;
    await pace.after({ keys: 1_000, heldMs: 2, roundTripMs: waitMs + 2 }, new AbortController().signal);
  }
  return pauses;
}

const quiet = Array.from({ length: 20 }, () => 0.2);

test("on a quiet server there is no pause", async () => {
  expect(await pausesAfter([...quiet, 0.4, 0.9, 0.1])).toEqual(Array.from({ length: 23 }, () => 0));
});

test("a far one is not taken for a busy one", async () => {
  expect(await pausesAfter(quiet.map((ms) => ms + 40))).toEqual(quiet.map(() => 0));
});

test("others who had to be served first are given as much time again, up to 100 ms", async () => {
  const pauses = await pausesAfter([...quiet, 11, 0.2, 500]);
  expect(pauses.slice(-3)).toEqual([expect.closeTo(10, -0.5), 0, 100]);
});

test("a server that stays busy is still given time after a hundred calls", async () => {
  const pauses = await pausesAfter([...quiet, ...Array.from({ length: 20 }, () => 10)]);
  expect(pauses.slice(-20).every((ms) => ms >= 2)).toBe(true);
});

test.each([
  { rate: 100_000, totalMs: 200 },
  { rate: 1_000, totalMs: 20_000 },
])("no more than $rate keys a second", async ({ rate, totalMs }) => {
  const pauses = await pausesAfter(quiet, rate);
  const workedMs = quiet.reduce((sum, ms) => sum + ms + 2, 0);
  expect(pauses.reduce((sum, ms) => sum + ms, workedMs)).toBeCloseTo(totalMs, -1.5);
});
