import type { Invocation } from "./invocation.ts";
import { withApplication } from "./open.ts";

/** `cancel <id>`: the run stops after its current items; whoever follows it sees its report. */
export function cancelRun(invocation: Invocation): Promise<number> {
  const { args, terminal } = invocation;
  const [run = ""] = args;
  return withApplication(invocation, async (application) => {
    await application.cancel(run);
    terminal.printJson({ version: 1, run, cancelled: true });
    terminal.print(`${run} stops after its current items; see safe-shutdown runs ${run}`);
    return 0;
  });
}
