import { SafeShutdownError } from "../errors.ts";
import type { Application } from "../flow/application.ts";
import { openApplication } from "../flow/open.ts";
import { Supervisor } from "../system/supervisor.ts";
import type { Invocation } from "./invocation.ts";
import { logOf } from "./log.ts";
import { applicationOptions } from "./open.ts";

/**
 * `worker`: works until SIGTERM, SIGINT or SIGHUP, then takes no new job, lets the current ones finish for the grace
 * period, and ends. A second SIGTERM or SIGINT ends it at once; a SIGHUP does not, which systemd may send along. Exit codes tell a supervisor what to do: 0 ended as asked, 75
 * (Redis is away, or has refused for long) is worth a restart, 2, 4 and 78 are not.
 */
export async function work({ options, terminal }: Invocation): Promise<number> {
  const signalled = nextSignal();
  let isUp = false;
  void signalled.then(() => isUp || process.exit(0)); // what waits for a Redis that has just gone may wait for long
  const { application } = await openApplication({
    ...applicationOptions(options),
    log: logOf(options, true),
  });
  const { log } = application;
  const supervisor = new Supervisor(process.env, (error) =>
    log.warn({ error }, "the supervisor could not be told"),
  );
  try {
    const worker = await application.startWorker(); // throws when Redis cannot be reached
    const { app, host, root, schedule } = application.config;
    log.info({ app, root, schedule: schedule.length, pid: process.pid }, "the maintenance worker is up");
    isUp = true;
    supervisor.ready(`looks after ${app} in ${root}`);
    terminal.printJson({ version: 1, app, host, root, pid: process.pid });

    const ending = await Promise.race([signalled, worker.gaveUp.then((lastWord) => ({ lastWord }))]);
    process.once("SIGINT", () => process.exit(130)).once("SIGTERM", () => process.exit(1));
    supervisor.stopping();
    log.info(ending, "stopping: current jobs may finish");
    if ("lastWord" in ending) throw gaveUp(ending.lastWord, application);
  } finally {
    await application.close();
  }
  log.info({}, "stopped");
  return 0;
}

function gaveUp(lastWord: string, { config }: Application): SafeShutdownError {
  const hint = "mend it (docs/redis.md says what a worker needs), then start the worker again";
  return new SafeShutdownError(
    "redis-unreachable",
    `${lastWord}. The worker of ${config.host} ends: ${hint}`,
  );
}

function nextSignal(): Promise<{ signal: NodeJS.Signals }> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      process.once(signal, () => resolve({ signal }));
    }
  });
}
