import { exitCodeOf, messageOf, SafeShutdownError } from "../errors.ts";
import type { Application } from "../flow/application.ts";
import type { Run } from "../flow/run.ts";
import { printable } from "../report/words.ts";
import { settlesWithin, systemClock } from "../system/clock.ts";
import type { Terminal } from "./terminal.ts";

/** How long the second Ctrl-C may take to tell others that this process is gone. */
const FAREWELL_MS = 400;

/**
 * While a run is followed: the first Ctrl-C (or SIGTERM) cancels it after its current items, the second ends this
 * process at once; nobody takes up later what was cancelled. A closed terminal (SIGHUP) changes nothing: the run goes
 * to its end.
 */
export function interruptible(
  run: Run,
  application: Application,
  terminal: Terminal,
): { readonly happened: boolean; end(): void } {
  let count = 0;
  let cancelled = Promise.resolve();
  const interrupt = () => {
    count += 1;
    if (count === 1) {
      terminal.tell(`Cancelling ${run.id} after its current items. Again: stop at once.`);
      cancelled = run.cancel().catch((error) => terminal.tell(whyNotYet(error)));
    } else {
      const farewell = Promise.allSettled([cancelled, application.signOff()]);
      settlesWithin(farewell, FAREWELL_MS, systemClock).then(() => process.exit(exitCodeOf.interrupted));
    }
  };
  const ignore = () => undefined;
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt).on("SIGHUP", ignore);
  return {
    get happened() {
      return count > 0;
    },
    end() {
      if (count > 0) return; // a second Ctrl-C while the last words are said still means 130
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt).off("SIGHUP", ignore);
    },
  };
}

/** Whoever follows a run tells Redis with the next look that it can answer. */
function whyNotYet(error: unknown): string {
  const isOver = error instanceof SafeShutdownError && error.code === "usage";
  if (isOver) return `It could not be cancelled: ${messageOf(error)}`;
  return `Redis has not heard of it (${printable(messageOf(error))}), and is told as soon as it answers.`;
}
