import { expect, test } from "vitest";
import { systemClock } from "../../src/system/clock.ts";
import { Pace } from "../../src/system/pace.ts";

interface Server {
  /** How much of the server's time others ask for; what comes while it is held is done as soon as it is not. */
  readonly othersShare: number;
  /** How long a call and its answer are on their way, or wait for a processor. */
  readonly onTheWayMs?: number;
  readonly maxKeysPerSecond?: number;
}

/** What was slept after each of so many calls that hold the server for 2 ms. */
async function pauses(calls: number, server: Server): Promise<number[]> {
  const { othersShare, onTheWayMs = 0.2, maxKeysPerSecond } = server;
  let nowMs = 0;
  let busyMs = 0;
  const slept: number[] = [];
  /** Of those who ask for more than there is, each is answered once. */
  const backlogMs = Math.min((2 * othersShare) / (1 - othersShare), 10);
  const pass = (ms: number) => {
    nowMs += ms;
    busyMs += ms * othersShare;
  };
  const clock = {
    ...systemClock,
    elapsed: () => nowMs,
    sleep: async (ms: number) => {
      slept[slept.length - 1] = ms;
      pass(ms);
    },
  };
  const pace = new Pace(maxKeysPerSecond, clock, async () => busyMs / 1_000);
  for (let call = 0; call < calls; call += 1) {
    slept.push(0);
    nowMs += 2 + backlogMs + onTheWayMs;
    busyMs += 2 + backlogMs;
    await pace.after({ keys: 1_000, heldMs: 2 }, new AbortController().signal);
  }
  return slept;
}

test.each([{ othersShare: 0 }, { othersShare: 0.05 }, { othersShare: 0, onTheWayMs: 40 }])(
  "no pause where others need next to nothing: %o",
  async (server) => {
    expect(Math.max(...(await pauses(1_000, server)))).toBe(0);
  },
);

test.each([
  { othersShare: 0.5, fromMs: 1, toMs: 4 },
  { othersShare: 0.9, fromMs: 5, toMs: 100 },
  { othersShare: 1, fromMs: 10, toMs: 100 },
])("others who take $othersShare of the time are given more", async ({ othersShare, fromMs, toMs }) => {
  const settled = (await pauses(2_000, { othersShare })).slice(-200);
  const meanMs = settled.reduce((sum, ms) => sum + ms, 0) / settled.length;
  expect(meanMs).toBeGreaterThanOrEqual(fromMs);
  expect(meanMs).toBeLessThanOrEqual(toMs);
});

test.each([
  { maxKeysPerSecond: 100_000, totalMs: 200 },
  { maxKeysPerSecond: 1_000, totalMs: 20_000 },
])("no more than $maxKeysPerSecond keys a second", async ({ maxKeysPerSecond, totalMs }) => {
  const slept = await pauses(20, { othersShare: 0, maxKeysPerSecond });
  expect(slept.reduce((sum, ms) => sum + ms, 20 * 2.2)).toBeCloseTo(totalMs, -1);
});
