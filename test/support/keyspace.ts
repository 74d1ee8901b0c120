import type { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import type { PruneRule } from "../../src/config/config.ts";
import { protectedKeysOf } from "../../src/config/protected-keys.ts";
import { systemClock } from "../../src/system/clock.ts";
import { Keyspace, type KeyspaceOptions } from "../../src/system/keyspace.ts";
import type { PrunePage } from "../../src/system/prune-pass.ts";
import { Quota } from "../../src/system/quota.ts";
import { DAY, MINUTE } from "./hands.ts";

/** What is unlike the defaults. */
export interface Changes extends Partial<KeyspaceOptions> {
  readonly limit?: number;
}

/** What may be removed. */
export function quotaOf({ mode = "apply", limit = 1_000_000 }: Changes, bytes?: number): Quota {
  return new Quota({ noun: "keys", limits: { files: 0, keys: limit, bytes }, mode });
}

/** The hands on Redis, let go when the test has finished. */
export function keyspace(options: Changes = {}): Keyspace {
  const hands = new Keyspace({
    mode: "apply",
    latencyBudgetMs: 2,
    protectedKeys: protectedKeysOf({ redis: { brokerQueues: ["celery", "mail"] } }),
    maxKeysPerSecond: undefined,
    quota: quotaOf(options),
    clock: systemClock,
    signal: new AbortController().signal,
    ...options,
  });
  onTestFinished(() => hands.close());
  return hands;
}

/** By default: keys whose TTL was 24 h and that are 8 minutes old. */
export function ruleFor(url: string, keys: string, changes: Partial<PruneRule> = {}): PruneRule {
  return {
    keys,
    type: undefined,
    url,
    db: 0,
    olderThanMs: 8 * MINUTE,
    age: [{ kind: "ttl", initialMs: DAY }],
    withoutTtl: "keep",
    sharePercent: 100,
    ...changes,
  };
}

/** Prunes to the end, and sums up; `onPage` is a place to move the world. */
export async function prune(
  hands: Keyspace,
  one: PruneRule,
  onPage: (page: PrunePage) => unknown = () => {},
) {
  const kept: Record<string, number> = {};
  const sum = { pages: 0, matched: 0, removed: 0, bytes: 0, givenTtl: 0, scanned: 0, worstMs: 0, kept };
  for await (const page of hands.prune(one)) {
    await onPage(page);
    sum.pages += 1;
    sum.scanned += page.scanned;
    sum.worstMs = Math.max(sum.worstMs, page.heldMs);
    sum.matched += page.matched;
    sum.removed += page.removed;
    sum.bytes += page.bytes;
    sum.givenTtl += page.givenTtl;
    for (const [reason, keys] of page.kept) sum.kept[reason] = (sum.kept[reason] ?? 0) + keys;
  }
  return sum;
}

/** Keys of a TTL of 24 h, so old; many at once, in the server. */
export async function fill(client: Redis, prefix: string, count: number, ageMs: number): Promise<void> {
  const program = `for i = 1, tonumber(ARGV[2]) do redis.call('SET', ARGV[1] .. i, 'v', 'PX', ARGV[3]) end`;
  await client.eval(program, 0, prefix, count, DAY - ageMs);
}
