import { expect, test } from "vitest";
import { mayRun, run } from "../attacks/lock-taken.ts";

/* The short form; the long one runs for minutes. */

test.runIf(mayRun())("a lock that is taken between the look and the last one is not removed", async () => {
  const attack = await run({ seconds: 4 });
  expect(attack.robbed).toBe(0);
  expect(attack.savedByLastLook).toBeGreaterThan(0); // the race was really hit
  expect(attack.removed).toBeGreaterThan(0);
});

test.runIf(mayRun())("the same attack robs who does not look once more", async () => {
  expect((await run({ seconds: 4, isLooking: false })).robbed).toBeGreaterThan(0);
});
