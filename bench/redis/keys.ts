import type { Redis } from "ioredis";

/** As a key of the rule would have it that is an hour old: its TTL was 24 h. */
const TTL_MS = 23 * 3_600_000;
const CHUNK = 50_000;

/** Fills an empty server: so many keys that match, and half as many beside them. A tag keeps them on a Cluster's node. */
export async function fill(redis: Redis, matching: number, tag = ""): Promise<void> {
  await redis.flushall();
  const program = "for i = ARGV[2], ARGV[3] do redis.call('SET', ARGV[1] .. i, 'v', unpack(ARGV, 4)) end";
  for (const [name, amount, ...ttl] of [
    [`message:${tag}`, matching, "PX", TTL_MS],
    [`other:${tag}`, matching / 2],
  ] as const) {
    for (let from = 1; from <= amount; from += CHUNK) {
      await redis.eval(program, 0, name, from, Math.min(from + CHUNK - 1, amount), ...ttl);
    }
  }
}

/** What is wrong with what a contender left of a server that was filled: nothing, if the matching keys are gone. */
export async function remarkOn(redis: Redis, matching: number): Promise<string | undefined> {
  const left = await redis.dbsize();
  return left === matching / 2 ? undefined : `${left.toLocaleString("en")} keys are left`;
}
