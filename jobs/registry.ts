import { checkSystem } from "./check-system.ts";
import { cleanSessionLocks } from "./clean-session-locks.ts";
import { cleanTempFiles } from "./clean-temp-files.ts";
import { pruneRedis } from "./prune-redis.ts";
import { stopServices } from "./stop-services.ts";

/** Every job there is, by its name. */
export const jobs = {
  "stop-services": stopServices,
  "clean-session-locks": cleanSessionLocks,
  "prune-redis": pruneRedis,
  "clean-temp-files": cleanTempFiles,
  "check-system": checkSystem,
} as const;

export type JobName = keyof typeof jobs;

export const jobNames = Object.keys(jobs) as JobName[];
