import { openApplication } from "../flow/open.ts";
import { startSchedule } from "../flow/schedule.ts";
import { systemClock } from "../system/clock.ts";
import type { Invocation } from "./invocation.ts";
import { logOf } from "./log.ts";
import { applicationOptions } from "./open.ts";

/**
 * `worker`: works until SIGTERM or SIGINT, then takes no new job, lets the current ones finish for the grace
 * period, and ends. A second signal ends it at once.
 */
export async function work({ options, terminal }: Invocation): Promise<number> {
  const signalled = nextSignal();
  const log = logOf(options, true);
  const { application } = await openApplication({ ...applicationOptions(options), log });
  try {
    const { queues } = await application.startWorker(); // throws when Redis cannot be reached
    const { config } = application;
    const stopSchedule = await startSchedule({ config, queues, clock: systemClock, log });
    const { app, host, root, schedule } = config;
    log.info(
      { app, host, root, schedule: schedule.length, pid: process.pid },
      "the maintenance worker is up",
    );
    terminal.printJson({ version: 1, app, host, root, pid: process.pid });

    const signal = await signalled;
    process.once("SIGINT", () => process.exit(130)).once("SIGTERM", () => process.exit(1));
    log.info({ signal }, "stopping: current jobs may finish");
    await stopSchedule();
  } finally {
    await application.close();
  }
  log.info({}, "stopped");
  return 0;
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, resolve);
  });
}
