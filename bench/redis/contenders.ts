import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Redis } from "ioredis";
import type { PruneRule } from "../../src/config/config.ts";
import { protectedKeysOf } from "../../src/config/protected-keys.ts";
import { systemClock } from "../../src/system/clock.ts";
import { Keyspace } from "../../src/system/keyspace.ts";
import { Quota } from "../../src/system/quota.ts";

const HOUR_MS = 3_600_000;

/** Where the time of a pass went. */
export interface Pass {
  readonly calls: number;
  /** In Redis. */
  readonly heldMs: number;
  readonly tookMs: number;
}

/** Our hands, with the default budget: keys of an initial TTL of 24 h that are older than 8 minutes. */
export async function prune(url: string, type?: "string"): Promise<Pass> {
  const limits = { files: 0, keys: Number.POSITIVE_INFINITY, bytes: undefined };
  const hands = new Keyspace({
    mode: "apply",
    latencyBudgetMs: 2,
    maxKeysPerSecond: undefined,
    protectedKeys: protectedKeysOf({ redis: { brokerQueues: ["celery"] } }),
    quota: new Quota({ noun: "keys", limits, mode: "apply" }),
    clock: systemClock,
    signal: new AbortController().signal,
  });
  const rule: PruneRule = {
    ...{ keys: "message:*", type, url, db: 0, withoutTtl: "expire", sharePercent: 100 },
    olderThanMs: HOUR_MS / 8,
    age: [{ kind: "ttl", initialMs: 24 * HOUR_MS }, { kind: "idle" }],
  };
  const startedAt = performance.now();
  let [calls, heldMs] = [0, 0];
  try {
    for await (const page of hands.prune(rule)) {
      calls += 1;
      heldMs += page.heldMs;
    }
    return { calls, heldMs, tookMs: performance.now() - startedAt };
  } finally {
    await hands.close();
  }
}

/** The limit: all in one script call, during which nobody else is answered. The same look at a key, and no more. */
const LOOP = `
local cursor = '0'
repeat
  local page = redis.call('SCAN', cursor, 'MATCH', 'message:*', 'COUNT', 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local ttl = redis.call('PTTL', key)
    local kind = redis.call('TYPE', key).ok
    if kind ~= 'list' and kind ~= 'stream' and ttl > 0 and 86400000 - ttl >= tonumber(ARGV[1]) then
      redis.call('UNLINK', key)
    end
  end
until cursor == '0'`;

export async function blockingLoop(redis: Redis): Promise<void> {
  await redis.eval(LOOP, 0, HOUR_MS / 8);
}

const BARE_CALLS = 1_000;

/**
 * What no client of this kind gets below: how long Redis waits between two calls, in ms, when all that its client does is
 * to call again, with two calls on their way at once. The script only counts, for as long as `heldMs`.
 */
export async function bareGapMs(redis: Redis, heldMs: number): Promise<number> {
  const second = redis.duplicate();
  try {
    return await gapMs(redis, second, heldMs);
  } finally {
    second.disconnect();
  }
}

async function gapMs(redis: Redis, second: Redis, heldMs: number): Promise<number> {
  const callOften = async (sha: string, steps: number, calls: number) => {
    await redis.config("RESETSTAT");
    const startedAt = performance.now();
    const one = async (client: Redis) => {
      for (let call = 0; call < calls / 2; call += 1) await client.evalsha(sha, 0, steps);
    };
    await Promise.all([one(redis), one(second)]);
    const took = (performance.now() - startedAt) / calls;
    const [, micros] = /^cmdstat_evalsha:calls=\d+,usec=(\d+)/m.exec(await redis.info("commandstats")) ?? [];
    return { held: Number(micros) / 1_000 / calls, took };
  };
  const count = "local sum = 0 for i = 1, ARGV[1] do sum = sum + i % 7 end return sum";
  const sha = String(await redis.script("LOAD", count));
  let steps = 100_000;
  for (let round = 0; round < 3; round += 1) {
    const { held } = await callOften(sha, steps, 100);
    steps = Math.round((steps * heldMs) / held);
  }
  const { held, took } = await callOften(sha, steps, BARE_CALLS);
  return took - held;
}

/** ioredis as its documentation has it; no look at the age. */
export async function scanStream(redis: Redis): Promise<void> {
  for await (const keys of redis.scanStream({ match: "message:*", count: 1_000 })) {
    if (keys.length > 0) await redis.unlink(...(keys as string[]));
  }
}

/** What one types; no look at the age. */
export async function redisCli(port: number): Promise<void> {
  const cli = `redis-cli -p ${port}`;
  await run("sh", ["-c", `${cli} --scan --pattern 'message:*' | xargs ${cli} unlink > /dev/null`]);
}

/** What the replaced script did: KEYS, then one TTL per key, from Python. */
export async function python(port: number): Promise<void> {
  const program = `
import redis
r = redis.Redis(port=${port}, decode_responses=True)
for key in r.keys("message:*"):
    ttl = r.ttl(key)
    if ttl == -1:
        r.expire(key, 86400)
    elif 86400 - ttl > 450:
        r.delete(key)`;
  await run("/usr/bin/python3", ["-c", program]);
}

export function hasPython(): Promise<boolean> {
  return run("/usr/bin/python3", ["-c", "import redis"]).then(
    () => true,
    () => false,
  );
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ended with ${code}:\n${said.join("")}`);
}
