import fc from "fast-check";
import { expect, test } from "vitest";
import { ScanTally } from "../../src/report/scan-tally.ts";
import { shareBehind } from "../../src/system/prune-pass.ts";
import { sharedRedis } from "../support/redis.ts";

const redis = sharedRedis();

test.each([100, 1_000, 20_000, 70_000])(
  "of %i keys, the cursor tells how many the scan has passed",
  async (keys) => {
    const client = redis.client();
    await client.eval("for i = 1, ARGV[1] do redis.call('SET', 'k' .. i, 1) end", 0, keys);
    let seen = 0;
    let cursor = "0";
    for (;;) {
      const [next, page] = await client.scan(cursor, "COUNT", 50);
      seen += page.length;
      cursor = next;
      if (cursor === "0") break;
      expect(Math.abs(shareBehind(cursor, keys) - seen / keys)).toBeLessThan(0.1);
    }
    expect(seen).toBe(keys);
  },
);

test("a share is never outside of 0 to 1, whatever the cursor", () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.nat(), (cursor, keys) => {
      const share = shareBehind(String(cursor), keys);
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
    }),
  );
});

test("progress tells share, rate and time left", () => {
  const tally = new ScanTally("tg:* (db 0)", 1_000);
  const step = { matched: 0, removed: 0, bytes: 0, endless: 0, heldMs: 2 };
  expect(tally.progress(1_000_000, 1_000)).toBe("tg:* (db 0), 0 %, 0 keys/s");
  tally.add({ ...step, scanned: 250_000 });
  expect(tally.progress(1_000_000, 2_000)).toBe("tg:* (db 0), 25 %, 250,000 keys/s, 3s left");
  tally.add({ ...step, scanned: 750_000, endless: 2, heldMs: 2.345 });
  expect(tally.progress(1_000_000, 5_000)).toBe("tg:* (db 0), 100 %, 250,000 keys/s, 0ms left");
  expect(tally.result(5_000)).toMatchObject({
    ...{ keys: 1_000_000, pages: 2, worstPageMs: 2.3, durationMs: 4_000, keysPerSecond: 250_000 },
    note: "2 results have no TTL: with result_expires of None or 0 Celery never removes them",
  });
});
