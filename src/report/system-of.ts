import type { JobResult } from "./job-reporter.ts";
import type { System } from "./report.ts";

/**
 * What was seen on the hosts of a run; `null` when nobody looked. Of several hosts: their services together, each
 * process with its host, and where a service is stopped or nobody saw it; the rest as each host saw it.
 */
export function systemOf(results: readonly JobResult[], hosts: readonly string[]): System | null {
  const seen = results.flatMap(({ report, system }) =>
    system === undefined ? [] : [{ host: report.host, system }],
  );
  const [first, ...others] = seen;
  if (first === undefined) return null;
  if (hosts.length <= 1 && others.length === 0) return first.system;
  const unknownOn = hosts.filter((host) => !seen.some((one) => one.host === host));
  const names = new Set(seen.flatMap(({ system }) => system.services.map(({ name }) => name)));
  const services = [...names].map((name) => {
    const states = seen.flatMap(({ host, system }) => {
      const service = system.services.find((one) => one.name === name);
      return service === undefined ? [] : [{ host, running: service.running }];
    });
    return {
      name,
      running: states.flatMap(({ host, running }) => running.map((process) => ({ ...process, host }))),
      stoppedOn: states.filter(({ running }) => running.length === 0).map(({ host }) => host),
      unknownOn,
    };
  });
  return {
    ...first.system,
    services,
    host: first.host,
    others: others.map(({ host, system: { redis, locks, session, disk } }) => ({
      ...{ host, redis, locks, session, disk },
    })),
  };
}
