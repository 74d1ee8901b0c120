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
  let requests = 0;
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
  const work = async () => {
    requests += 1;
    return { cpuSeconds: busyMs / 1_000, requests };
  };
  const allAnswered = async () => {
    requests += 1;
  };
  const pace = new Pace({ maxKeysPerSecond, callers: 1, clock, work, allAnswered });
  for (let call = 0; call < calls; call += 1) {
    slept.push(0);
    const cost = async () => {
      requests += 1;
      nowMs += 2 + backlogMs + onTheWayMs;
      busyMs += 2 + backlogMs;
      return { matched: 1_000, heldMs: 2 };
    };
    await pace.next(cost, new AbortController().signal);
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
  const slept = await pauses(21, { othersShare: 0, maxKeysPerSecond });
  expect(slept.reduce((sum, ms) => sum + ms, 20 * 2.2)).toBeCloseTo(totalMs, -1);
});

test.each([
  { asked: 0, parts: [1, 0.5] },
  { asked: 10, parts: [1, 0.5] },
  { asked: 40, parts: [1, 1] },
])(
  "others who ask $asked times in 200 ms have $parts of the budget before them",
  async ({ asked, parts }) => {
    let [nowMs, ours] = [0, 0];
    const clock = { ...systemClock, elapsed: () => nowMs };
    const work = async () => {
      ours += 1;
      return { cpuSeconds: 0, requests: ours + (asked * nowMs) / 200 };
    };
    let givenWay = 0;
    const allAnswered = async () => {
      [ours, givenWay] = [ours + 1, givenWay + 1];
    };
    const pace = new Pace({ maxKeysPerSecond: undefined, callers: 2, clock, work, allAnswered });
    const told: number[] = [];
    let [going, most] = [0, 0];
    const caller = async () => {
      for (let call = 0; call < 300; call += 1) {
        await pace.next(async (part) => {
          told.push(part);
          ours += 1;
          going += 1;
          most = Math.max(most, going);
          await Promise.resolve();
          going -= 1;
          nowMs += 2;
          return { matched: 1, heldMs: 0 };
        }, new AbortController().signal);
      }
    };
    await Promise.all([caller(), caller()]);
    expect([told[0], told.at(-1)]).toEqual(parts);
    expect(most).toBe(parts[1] === 1 ? 1 : 2);
    const isShared = parts[1] === 1;
    expect(givenWay).toSatisfy((times: number) =>
      isShared ? times === told.length : times < told.length / 3,
    );
  },
);

test("two that are on their way when somebody turns up have the budget together", async () => {
  let [nowMs, ours, theirs] = [0, 0, 0];
  const clock = { ...systemClock, elapsed: () => nowMs };
  const work = async () => {
    ours += 1;
    await Promise.resolve();
    return { cpuSeconds: 0, requests: ours + theirs };
  };
  const allAnswered = async () => {
    ours += 1;
  };
  const pace = new Pace({ maxKeysPerSecond: undefined, callers: 2, clock, work, allAnswered });
  let [going, most] = [0, 0];
  const caller = async () => {
    for (let call = 0; call < 1_000; call += 1) {
      await pace.next(async (part) => {
        ours += 1;
        theirs += nowMs > 1_000 ? 10 : 0;
        going += part;
        most = Math.max(most, going);
        for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
        going -= part;
        nowMs += 1;
        return { matched: 1, heldMs: 0 };
      }, new AbortController().signal);
    }
  };
  await Promise.all([caller(), caller()]);
  expect(most).toBe(1);
});

test("a caller that throws, or is aborted, keeps nobody waiting", async () => {
  const work = async () => ({ cpuSeconds: 0, requests: 0 });
  const pace = new Pace({
    ...{ maxKeysPerSecond: undefined, callers: 1, clock: systemClock, work },
    allAnswered: async () => {},
  });
  const { signal } = new AbortController();
  const failing = pace.next(() => Promise.reject(new Error("lost")), signal);
  const aborted = pace.next(async () => ({ matched: 0, heldMs: 0 }), AbortSignal.abort(new Error("enough")));
  const going = pace.next(async () => ({ matched: 7, heldMs: 1 }), signal);
  await expect(failing).rejects.toThrow("lost");
  await expect(aborted).rejects.toThrow("enough");
  expect(await going).toMatchObject({ matched: 7 });
});
