import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lastSlotOf, nextSlotsOf, tickerOf } from "../../src/flow/cron.ts";

const entry = (cron: string, timezone?: string) => ({
  ...{ name: "tidy", flow: "clean" as const, jobs: undefined, cron, timezone, maxRandomDelayMs: 0 },
});
const at = (text: string) => Date.parse(text);
const MINUTE = 60_000;

/** Every second, from the newest. */
async function slowLastSlotOf(cron: string, earliestMs: number, latestMs: number): Promise<Date | undefined> {
  const task = tickerOf(entry(cron, "UTC"), () => undefined);
  try {
    for (let ms = Math.floor(latestMs / 1_000) * 1_000; ms >= earliestMs; ms -= 1_000)
      if (task.match(new Date(ms))) return new Date(ms);
    return undefined;
  } finally {
    await task.destroy();
  }
}

describe("the last slot", () => {
  test.each([
    ["of five fields", "30 4 * * *", "2026-11-22T04:30:00.000Z"],
    ["of six fields, with its second", "15 30 4 * * *", "2026-11-22T04:30:15.000Z"],
    ["that is right now", "0 12 * * *", "2026-11-22T12:00:00.000Z"],
    ["that comes a second after the end is none", "1 0 12 * * *", "2026-11-21T12:00:01.000Z"],
    ["days ago", "0 0 18 * *", "2026-11-18T00:00:00.000Z"],
  ])("%s", async (_, cron, expected) => {
    const noon = at("2026-11-22T12:00:00Z");
    expect((await lastSlotOf(entry(cron, "UTC"), noon - 7 * 86_400_000, noon))?.toISOString()).toBe(expected);
  });

  test("is none before the beginning, to the millisecond", async () => {
    const slotMs = at("2026-11-22T04:30:00Z");
    const daily = entry("30 4 * * *", "UTC");
    expect(await lastSlotOf(daily, slotMs, slotMs + MINUTE)).toEqual(new Date(slotMs));
    expect(await lastSlotOf(daily, slotMs + 1, slotMs + MINUTE)).toBeUndefined();
  });

  test("is in the time zone of its entry", async () => {
    const noon = at("2026-11-22T12:00:00Z");
    const slot = await lastSlotOf(entry("30 2 * * *", "Asia/Kolkata"), noon - 86_400_000, noon);
    expect(slot?.toISOString()).toBe("2026-11-21T21:00:00.000Z");
  });

  const field = (max: number) =>
    fc.oneof(
      fc.constant("*"),
      fc.nat(max).map(String),
      fc.integer({ min: 2, max: 20 }).map((step) => `*/${step}`),
    );
  test("equals what a look at every second finds", async () => {
    const crons = fc
      .tuple(fc.boolean(), field(59), field(59), fc.constantFrom("*", "*/2"))
      .map(
        ([hasSeconds, second, minute, hour]) => `${hasSeconds ? `${second} ` : ""}${minute} ${hour} * * *`,
      );
    const property = fc.asyncProperty(crons, fc.nat(86_400), fc.nat(7_200), async (cron, from, length) => {
      const startMs = at("2026-03-01T00:00:00Z") + from * 1_000;
      const endMs = startMs + length * 1_000;
      const expected = await slowLastSlotOf(cron, startMs, endMs);
      expect(await lastSlotOf(entry(cron, "UTC"), startMs, endMs)).toEqual(expected);
    });
    await fc.assert(property, { numRuns: 60 });
  });
});

test("the next slots come in order, and the first lies ahead", async () => {
  const next = await nextSlotsOf(entry("*/15 * * * *"), 3);
  expect(next.map(Number)).toEqual(next.map(Number).toSorted((a, b) => a - b));
  expect(Number(next[0])).toBeGreaterThan(Date.now());
});

describe("a process that is held up", () => {
  const SECOND = 1_000;
  const hold = (untilMs: number) => {
    while (Date.now() < untilMs);
  };

  test.each([
    { what: "over a slot comes to it late", slots: [2] },
    { what: "over two slots comes to the newer one", slots: [2, 3] },
  ])("$what", async ({ slots }) => {
    const startMs = Math.ceil(Date.now() / SECOND) * SECOND;
    const times = slots.map((after) => startMs + after * SECOND);
    const seconds = times.map((ms) => new Date(ms).getUTCSeconds()).join(",");
    const fired: Date[] = [];
    let tell = () => {};
    const isFired = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const task = tickerOf(entry(`${seconds} * * * * *`, "UTC"), (slot) => {
      fired.push(slot);
      tell();
    });
    try {
      await task.start();
      hold((times.at(-1) ?? 0) + 2_500);
      await isFired;
      expect(fired).toEqual([new Date(times.at(-1) ?? 0)]);
    } finally {
      await task.destroy();
    }
  });
});
