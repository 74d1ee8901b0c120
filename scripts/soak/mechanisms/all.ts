import { CONFIG_AS_ROOT } from "./config-as-root.ts";
import { FILES } from "./files.ts";
import { LIMITS } from "./limits.ts";
import { LOCKS } from "./locks.ts";
import { MANIFEST_AND_QUARANTINE } from "./manifest.ts";
import type { Exception, Mechanism } from "./mechanism.ts";
import { PROCESSES } from "./processes.ts";
import { QUEUE } from "./queue.ts";
import { REDIS } from "./redis.ts";
import { SWEEPERS } from "./sweepers.ts";

/** Everything that docs/safety.md promises, section by section. */
export const MECHANISMS: readonly Mechanism[] = [
  ...LIMITS,
  ...MANIFEST_AND_QUARANTINE,
  ...FILES,
  ...SWEEPERS,
  ...PROCESSES,
  ...LOCKS,
  ...REDIS,
  ...QUEUE,
  ...CONFIG_AS_ROOT,
];

/** The rows that no edit can stand for. */
export const EXCEPTIONS: readonly Exception[] = [
  {
    promise: "A key is judged and removed in one step",
    because:
      "who looks first and removes then is another program: `test/attacks/key-rewrite.ts` is one, and loses fresh keys",
  },
];
