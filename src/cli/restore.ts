import { randomBytes } from "node:crypto";
import { newRunId } from "../flow/intent.ts";
import { restore } from "../flow/restore.ts";
import { exitCodeOfRun } from "../report/exit-code.ts";
import type { Mode } from "../report/report.ts";
import { renderReport } from "../report/text.ts";
import { countOf, printable } from "../report/words.ts";
import { systemClock } from "../system/clock.ts";
import type { Invocation } from "./invocation.ts";
import { withApplication } from "./open.ts";

/** `restore <run> [path…]`: shows what would be put back, asks, puts it back, and prints the report. */
export function restoreRun(invocation: Invocation): Promise<number> {
  const { args, options, terminal } = invocation;
  const [run = "", ...paths] = args;
  return withApplication(invocation, async ({ config }) => {
    const id = newRunId(systemClock.now(), randomBytes(3).toString("hex"));
    const go = (mode: Mode) => restore(config, run, { paths, mode, clock: systemClock, id });
    if (options.dryRun !== true && options.yes !== true) {
      const { ask, requireAnswerer } = await import("./question.ts");
      requireAnswerer("restore", "Say --yes to go ahead, or --dry-run to only look.", terminal);
      const [plan] = go("plan").jobs;
      const count = countOf(plan?.totals.planned ?? 0, "file or directory", "files and directories");
      await ask(`Put back ${count} of ${printable(run)} in ${printable(config.root)}?`);
    }
    const report = go(options.dryRun === true ? "plan" : "apply");
    terminal.print(renderReport(report, { palette: terminal.out, verbose: options.verbose === true }));
    terminal.printJson(report);
    return exitCodeOfRun(report);
  });
}
