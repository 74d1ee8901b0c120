import { exitCodeOfRun } from "../report/exit-code.ts";
import type { Mode } from "../report/report.ts";
import { renderReport } from "../report/text.ts";
import { countOf, printable } from "../report/words.ts";
import type { Invocation } from "./invocation.ts";
import { withApplication } from "./open.ts";

/** `restore <run> [path…]`: shows what would be put back, asks, puts it back, and prints the report. */
export function restoreRun(invocation: Invocation): Promise<number> {
  const { args, options, terminal } = invocation;
  const [run = "", ...paths] = args;
  return withApplication(invocation, async (application) => {
    const go = (mode: Mode) => application.restore(run, { paths, mode });
    if (options.dryRun !== true && options.yes !== true) {
      const { ask, requireAnswerer } = await import("./question.ts");
      requireAnswerer("restore", "Say --yes to go ahead, or --dry-run to only look.", terminal);
      const [plan] = (await go("plan")).jobs;
      const count = countOf(plan?.totals.planned ?? 0, "file or directory", "files and directories");
      await ask(`Put back ${count} of ${printable(run)} in ${printable(application.config.root)}?`);
    }
    const report = await go(options.dryRun === true ? "plan" : "apply");
    terminal.print(renderReport(report, { palette: terminal.out, verbose: options.verbose === true }));
    terminal.printJson(report);
    return exitCodeOfRun(report);
  });
}
