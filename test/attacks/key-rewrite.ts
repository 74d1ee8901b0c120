import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { startPrivateRedis } from "../../demo/redis.ts";
import { connect } from "../../src/index.ts";

/*
 * Keys that are old when they are scanned are rewritten before they are removed: by another client, flat out, for as long
 * as asked, while the job that prunes runs again and again.
 */

export interface KeyRewrite {
  readonly runs: number;
  /** Old ones that went. */
  readonly removed: number;
  /** Keys that a run found fresh: the attacker was in the midst of it. */
  readonly kept: number;
  readonly rewrites: number;
  /** Fresh ones that went. */
  readonly lost: number;
}

const ATTACKER = fileURLToPath(new URL("key-rewrite/attacker.mjs", import.meta.url));
const KEYS = 50;
const CONFIG = `app: victim
redis: { prune: [{ keys: "result:*", olderThan: 1h, age: [{ json: date_done }] }] }
`;

/** `held` is what safe-shutdown does; `naive` reads a key, looks at its age, and then removes it: the attack bites. */
export async function run({
  seconds,
  how = "held",
}: {
  seconds: number;
  how?: "held" | "naive";
}): Promise<KeyRewrite> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "safe-shutdown-attack-")));
  writeFileSync(join(directory, "safe-shutdown.yaml"), CONFIG);
  const server = await startPrivateRedis({ directory });
  const attacker = spawn(process.execPath, [ATTACKER, server.url, `${KEYS}`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const pruner = how === "held" ? await jobAt(directory, server.url) : naiveAt(server.url);
  const result = { runs: 0, removed: 0, kept: 0 };
  try {
    await once(attacker.stdout, "data");
    const endsAtMs = performance.now() + seconds * 1_000;
    while (performance.now() < endsAtMs) {
      const { removed, kept } = await pruner.prune();
      result.runs += 1;
      result.removed += removed;
      result.kept += kept;
    }
    return { ...result, ...(await countsOf(attacker)) };
  } finally {
    await pruner.close();
    attacker.kill("SIGKILL");
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function countsOf(attacker: ChildProcess): Promise<{ rewrites: number; lost: number }> {
  if (attacker.stdout === null || attacker.stdin === null) throw new Error("expected pipes");
  const said = once(attacker.stdout, "data");
  attacker.stdin.end();
  const [counts] = await said;
  return JSON.parse(String(counts)) as { rewrites: number; lost: number };
}

interface Pruner {
  prune(): Promise<{ removed: number; kept: number }>;
  close(): Promise<void>;
}

async function jobAt(root: string, redisUrl: string): Promise<Pruner> {
  const application = await connect({ root, redisUrl });
  return {
    close: () => application.close(),
    prune: async () => {
      const run = await application.start("clean", { inline: true, jobs: ["prune-redis"] });
      const { done = 0, kept = 0 } = (await run.report()).jobs[0]?.totals ?? {};
      return { removed: done, kept };
    },
  };
}

function naiveAt(url: string): Pruner {
  const redis = new Redis(url);
  return {
    close: async () => redis.disconnect(),
    prune: async () => {
      const counts = { removed: 0, kept: 0 };
      for (let n = 0; n < KEYS; n += 1) {
        const text = await redis.get(`result:${n}`);
        if (text?.includes("2020-01-01")) counts.removed += await redis.unlink(`result:${n}`);
        else counts.kept += 1;
      }
      return counts;
    },
  };
}
