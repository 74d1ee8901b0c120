import { messageOf } from "../errors.ts";
import type { Run } from "../flow/run.ts";
import type { Terminal } from "./terminal.ts";

/**
 * While a run is followed: the first Ctrl-C (or SIGTERM) cancels it after its current items, the second ends this
 * process at once. A closed terminal (SIGHUP) changes nothing: the run goes to its end.
 */
export function interruptible(run: Run, terminal: Terminal): { readonly happened: boolean; end(): void } {
  let count = 0;
  const interrupt = () => {
    count += 1;
    if (count > 1) process.exit(130);
    terminal.tell(`Cancelling ${run.id} after its current items. Again: stop at once.`);
    run.cancel().catch((error) => terminal.tell(`It could not be cancelled: ${messageOf(error)}`));
  };
  const ignore = () => undefined;
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt).on("SIGHUP", ignore);
  return {
    get happened() {
      return count > 0;
    },
    end() {
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt).off("SIGHUP", ignore);
    },
  };
}
