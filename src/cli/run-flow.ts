import type { FlowName } from "../../jobs/flows.ts";
import { NAME } from "../config/schema.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Application } from "../flow/application.ts";
import { unknownJobs } from "../flow/catalog.ts";
import type { Run } from "../flow/run.ts";
import { refuseContradiction } from "../flow/starting.ts";
import { exitCodeOfRun } from "../report/exit-code.ts";
import { renderReport } from "../report/text.ts";
import { printable } from "../report/words.ts";
import { interruptible } from "./interrupt.ts";
import type { Invocation } from "./invocation.ts";
import { withApplication } from "./open.ts";
import type { CliOptions } from "./options.ts";
import { showProgress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/** `shutdown`, `stop` and `clean`: asks, starts the run, shows it, and prints its report. */
export async function runFlow(invocation: Invocation): Promise<number> {
  const { command, args, options, terminal } = invocation;
  const flow = command as FlowName;
  const jobs = args.length === 0 ? undefined : args;
  let hosts = hostsOf(options);
  const how = { inline: options.inline === true, detach: options.detach === true };
  refuseContradiction({ ...how, ...(hosts !== undefined && { hosts }) }); // before anything is asked
  return withApplication(invocation, async (application) => {
    const [unknown] = unknownJobs(flow, args, application.catalog);
    if (unknown !== undefined) throw new SafeShutdownError("usage", unknown);
    if (options.dryRun !== true && options.yes !== true && options.force !== true) {
      const { confirm } = await import("./question.ts"); // what asks is loaded only where it asks
      hosts = await confirm(
        application,
        { flow, jobs, hosts, keepRedis: options.keepRedis === true },
        terminal,
      );
    }
    const run = await application.start(flow, {
      mode: options.dryRun === true ? "plan" : "apply",
      ...(jobs !== undefined && { jobs }),
      ...(hosts !== undefined && { hosts }),
      force: options.force === true,
      keepRedis: options.keepRedis === true,
      ...how,
    });
    return options.detach === true ? detached(run, terminal) : follow(run, application, terminal);
  });
}

function detached(run: Run, terminal: Terminal): number {
  terminal.print(run.id);
  terminal.printJson({ version: 1, run: run.id, attached: run.attached });
  return 0;
}

async function follow(run: Run, application: Application, terminal: Terminal): Promise<number> {
  const { verbose } = terminal.options;
  if (run.because !== undefined) {
    terminal.tell(`Running in this process, without the queue: ${printable(run.because)}`);
  }
  if (run.attached) terminal.tell(`${run.id} is going on already: following it.`);
  const progress = showProgress(terminal);
  const interruption = interruptible(run, application, terminal);
  try {
    const report = await run.report({
      onView: progress.show,
      onTrouble: (what) => terminal.tell(printable(what)),
    });
    progress.end(report);
    terminal.print(renderReport(report, { palette: terminal.out, verbose: verbose === true }));
    terminal.printJson(report);
    return interruption.happened ? 130 : exitCodeOfRun(report);
  } finally {
    progress.end();
    interruption.end();
  }
}

function hostsOf({ hosts, allHosts }: CliOptions): readonly string[] | "all" | undefined {
  if (allHosts === true && hosts !== undefined) {
    throw new SafeShutdownError("usage", "--hosts and --all-hosts exclude each other");
  }
  if (allHosts === true) return "all";
  const names = hosts?.split(",").map((name) => name.trim());
  const bad = names?.find((name) => !NAME.test(name));
  if (bad !== undefined) {
    throw new SafeShutdownError(
      "usage",
      `--hosts: expected host names separated by commas, got ${JSON.stringify(bad)}`,
    );
  }
  return names;
}
