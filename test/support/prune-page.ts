import type { Redis } from "ioredis";
import type { AgeRung, PruneRule } from "../../src/config/config.ts";
import { PRUNE_PAGE } from "../../src/system/prune-script.ts";

/* The page script by itself, in a server whose clock is told what time it is: so that boundaries are exact. */

export const NOW = Date.UTC(2096, 2, 1, 12, 0, 0);

/** Time stands still inside, at NOW, and so does a TTL that is given. Whatever else is called is real. */
const frozen = (ttlMs: number | undefined) => `
local real = redis
local redis = setmetatable({ call = function(command, ...)
  if command == 'TIME' then return { '${NOW / 1_000}', '0' } end
  if command == 'PTTL' and ${ttlMs !== undefined} then return ${ttlMs ?? 0} end
  return real.call(command, ...)
end }, { __index = real })
`;

/** One key and the rule it meets. */
export interface Case {
  /** Lua that makes the key. */
  readonly made: string;
  /** Instead of the true one, which goes on falling. */
  readonly ttlMs?: number;
  readonly age: readonly AgeRung[];
  readonly olderThanMs: number;
  readonly withoutTtl?: "keep" | "expire";
  readonly uptimeSeconds?: number;
  readonly trustIdle?: boolean;
  readonly type?: PruneRule["type"];
  readonly isCelery?: boolean;
}

/** What became of the one key: `removed`, `given a TTL`, or the reason why it was kept. */
export async function fateOf(client: Redis, one: Case): Promise<string> {
  const intent = {
    mode: "apply",
    keys: "*",
    olderThanMs: one.olderThanMs,
    type: one.type,
    age: one.age,
    withoutTtl: one.withoutTtl ?? "keep",
    protected: {
      prefixes: ["_kombu.binding."],
      suffixes: [".pidbox", "unacked"],
      parts: ["_kombu.binding."],
      exact: ["celery"],
    },
    isCelery: one.isCelery ?? false,
    removedBefore: 0,
    part: "all",
    budgetMicros: 2_000,
    longestMicros: 8_000,
    maxScans: 50,
    trustIdle: one.trustIdle ?? true,
    uptimeSeconds: one.uptimeSeconds ?? 100_000_000,
  };
  const program = frozen(one.ttlMs) + one.made + PRUNE_PAGE;
  const answer = await client.eval(program, 0, "0", JSON.stringify(intent), 1_000, "");
  const [, [, removed = 0, , given = 0], [reason]] = answer as [string, number[], string[]];
  if (removed > 0) return "removed";
  return given > 0 ? "given a TTL" : String(reason ?? "nothing");
}
