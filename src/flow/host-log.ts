import type { Log } from "../../jobs/job.ts";

/** A log of which every line says which host it comes from. */
export function hostLog(host: string, log: Log): Log {
  return {
    info: (facts, message) => log.info({ host, ...facts }, message),
    warn: (facts, message) => log.warn({ host, ...facts }, message),
  };
}
