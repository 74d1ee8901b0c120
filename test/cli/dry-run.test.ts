import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { cliIn, reportOf, targetsOf, useSandbox } from "../support/application.ts";
import { diff, snapshot } from "../support/listing.ts";
import { processesIn } from "../support/processes.ts";
import { sharedRedis } from "../support/redis.ts";

/* A dry run shows exactly what would be done, and touches nothing. */

const redis = sharedRedis();
const IDLE_SECONDS = 3_600;

test.each(["--dry-run", "--dry-run --force", "stop -n", "clean -n", "-n --inline"])(
  "`%s` leaves files and their times, keys with TTLs and idle times, and processes as they were",
  async (words) => {
    const sandbox = await useSandbox({ redisUrl: redis.server().url });
    const keys = await keysOf(redis.client());
    await letRest(redis.client());
    const processes = processesIn(sandbox.root);
    const files = snapshot(sandbox.root);

    const result = await cliIn(sandbox.root, redis.server().url).run(`${words} --json`);

    expect(result.code).toBe(0);
    expect(reportOf(result).mode).toBe("plan");
    expect(targetsOf(reportOf(result), "planned")).not.toEqual([]);
    expect(diff(files, snapshot(sandbox.root))).toEqual({ added: [], removed: [], changed: [] });
    expect(processesIn(sandbox.root)).toEqual(processes);
    const idle = await Promise.all([...keys.keys()].map((key) => idleTimeOf(redis.client(), key)));
    expect(idle.filter(beganAnew)).toEqual([]);
    expect(await keysOf(redis.client())).toEqual(keys);
  },
);

/**
 * An idle time grows by itself, so it is enough that none began anew. Telling the age of a Celery result means
 * reading it, which resets its idle time before Redis 7.2 (CLIENT NO-TOUCH). So does counting the broker's `unacked`
 * with --force, whose idle time tells nobody anything.
 */
function beganAnew({ key, seconds }: { key: string; seconds: number }): boolean {
  return seconds < IDLE_SECONDS && !key.startsWith("celery-task-meta-") && key !== "unacked";
}

test("what a dry run plans is what the shutdown then does", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });
  const cli = cliIn(sandbox.root, redis.server().url);

  const plan = reportOf(await cli.run("-n --json"));
  const done = reportOf(await cli.run("-y --json"));

  expect(targetsOf(done, "done")).toEqual(targetsOf(plan, "planned"));
  expect(targetsOf(done, "kept")).toEqual(targetsOf(plan, "kept"));
  for (const [index, job] of plan.jobs.entries()) {
    const { planned, bytes, ...others } = job.totals;
    const expected = { ...others, done: planned, planned: 0 };
    // the services remove most of their pid files themselves, and those bytes are freed by them
    expect(done.jobs[index]?.totals, job.job).toMatchObject(
      job.job === "stop-services" ? expected : { ...expected, bytes },
    );
  }
});

test("what a dry run of `clean` plans beside running services is what `clean` then does", async () => {
  const sandbox = await useSandbox({ redisUrl: redis.server().url });
  const cli = cliIn(sandbox.root, redis.server().url);

  const plan = reportOf(await cli.run("clean -n --json"));
  const done = reportOf(await cli.run("clean -y --json"));

  expect(targetsOf(done, "done")).toEqual(targetsOf(plan, "planned"));
  const stays = [...sandbox.files.removedOnceStopped, ...sandbox.files.kept, ...sandbox.files.growing];
  expect(targetsOf(plan, "planned").filter((target) => stays.includes(target))).toEqual([]);
});

/** Makes all keys look as if nobody had used them for an hour. */
async function letRest(client: Redis): Promise<void> {
  for (const key of await client.keys("*")) {
    const value = await client.dumpBuffer(key);
    if (value === null) throw new Error(`expected ${key} to be there`);
    const expiry = Math.max(Number(await client.call("PEXPIRETIME", key)), 0);
    await client.restore(key, expiry, value, "REPLACE", "ABSTTL", "IDLETIME", IDLE_SECONDS);
  }
}

async function idleTimeOf(client: Redis, key: string) {
  return { key, seconds: Number(await client.object("IDLETIME", key)) };
}

/** Each key with the moment it expires and its value; the queue's own keys come and go. */
async function keysOf(client: Redis): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  for (const key of (await client.keys("*")).sort()) {
    if (key.startsWith("{safe-shutdown-")) continue;
    keys.set(
      key,
      `${await client.call("PEXPIRETIME", key)} ${(await client.dumpBuffer(key))?.toString("hex")}`,
    );
  }
  return keys;
}
