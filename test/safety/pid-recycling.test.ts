import { expect, test } from "vitest";
import { mayRun, run } from "../attacks/pid-recycling.ts";

/* The short form; the long one runs for minutes. */

test.runIf(mayRun())(
  "an innocent process that gets the number of one that is being stopped is never signalled",
  async () => {
    const attack = await run({ seconds: 4 });
    expect(attack.harmed).toBe(0);
    expect(attack.recycled).toBeGreaterThan(10);
    expect(attack.attemptsAfter).toBeGreaterThan(attack.recycled); // the race was really hit
    expect(attack.attemptsDuring).toBeGreaterThan(0);
  },
);

test.runIf(mayRun())(
  "the same attack hits who compares pid and start time, and signals the number",
  async () => {
    expect((await run({ seconds: 3, how: "naive" })).harmed).toBeGreaterThan(0);
  },
);
