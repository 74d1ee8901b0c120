import { describe, expect, test } from "vitest";
import * as bindMount from "../attacks/bind-mount.ts";
import * as directorySwap from "../attacks/directory-swap.ts";
import * as fileSwap from "../attacks/file-swap.ts";
import * as parentSwap from "../attacks/parent-swap.ts";
import * as rewrite from "../attacks/rewrite.ts";

/* Seconds here; `npm run soak` takes a minute for each. */
const SHORT = 2;

describe("beside an attacker who", () => {
  test.each([
    { does: "swaps the directory for a link", attack: directorySwap.run },
    { does: "swaps the directory above for a link", attack: parentSwap.run },
    { does: "swaps the files for links", attack: fileSwap.run },
  ])("$does, nothing outside is harmed", async ({ attack }) => {
    const { runs, swaps, noticed, harmed } = await attack({ seconds: SHORT });
    expect(harmed).toBe(0);
    expect([runs > 0, swaps > 100, noticed > 0]).toEqual([true, true, true]); // the race was really hit
  });

  test.each([
    { does: "swaps the directory for a link", attack: directorySwap.run },
    { does: "swaps the directory above for a link", attack: parentSwap.run },
    { does: "swaps the files for links", attack: fileSwap.run },
  ])("$does, sweepers harm nothing outside", async ({ attack }) => {
    const { runs, swaps, noticed, harmed } = await attack({ seconds: SHORT, how: "swept" });
    expect(harmed).toBe(0);
    expect([runs > 0, swaps > 100, noticed > 0]).toEqual([true, true, true]);
  });

  test("swaps the files for links, sweepers that judge by themselves harm nothing outside", async () => {
    const { runs, swaps, noticed, harmed } = await fileSwap.run({ seconds: SHORT, how: "judged" });
    expect(harmed).toBe(0);
    expect([runs > 0, swaps > 100, noticed > 0]).toEqual([true, true, true]);
  });

  test.runIf(bindMount.mayRun())("mounts another directory on it, nothing there is harmed", async () => {
    const { swaps, noticed, harmed } = await bindMount.run({ seconds: SHORT });
    expect(harmed).toBe(0);
    expect([swaps > 10, noticed > 0]).toEqual([true, true]);
    expect((await bindMount.run({ seconds: SHORT, how: "swept" })).harmed).toBe(0);
  });

  test("rewrites the files, next to none of the new ones goes", async () => {
    const { swaps, noticed, lost } = await rewrite.run({ seconds: SHORT });
    expect([swaps > 100, noticed > 0]).toEqual([true, true]);
    expect(lost).toBeLessThanOrEqual(noticed);
  });
});

describe("the attack bites: who removes by path, beside an attacker who", () => {
  test.each([
    { does: "swaps the directory for a link", attack: directorySwap.run },
    { does: "swaps the directory above for a link", attack: parentSwap.run },
  ])("$does, harms what is outside", async ({ attack }) => {
    const { harmed } = await attack({ seconds: SHORT, how: "by path" });
    expect(harmed).toBeGreaterThan(0);
  });
});
