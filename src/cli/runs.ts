import { SafeShutdownError } from "../errors.ts";
import { renderReport } from "../report/text.ts";
import type { Invocation } from "./invocation.ts";
import { withApplication } from "./open.ts";
import { describeRun } from "./status.ts";

/** `runs`: the history, newest first; `runs <id>`: one report, as it was printed when the run ended. */
export function showRuns(invocation: Invocation): Promise<number> {
  const { args, terminal, options } = invocation;
  const [id] = args;
  return withApplication(invocation, async (application) => {
    if (id === undefined) {
      const runs = await application.runs(50);
      terminal.printJson({ version: 1, runs });
      terminal.print(runs.length === 0 ? "no runs are known" : runs.map(describeRun).join("\n"));
      return 0;
    }
    const report = await application.report(id);
    if (report === undefined) {
      throw new SafeShutdownError(
        "usage",
        `no finished run ${JSON.stringify(id)} is known; see safe-shutdown runs`,
      );
    }
    terminal.printJson(report);
    terminal.print(renderReport(report, { palette: terminal.out, verbose: options.verbose === true }));
    return 0;
  });
}
