import { SafeShutdownError } from "../errors.ts";
import type { Application } from "../flow/application.ts";
import { withoutReport } from "../flow/run.ts";
import { renderReport } from "../report/text.ts";
import type { Invocation } from "./invocation.ts";
import { withApplication } from "./open.ts";
import { describeGoing, describeRun } from "./status.ts";

/** `runs`: what goes on and the history, newest first; `runs <id>`: one report, as it was printed when the run ended. */
export function showRuns(invocation: Invocation): Promise<number> {
  const { args, terminal } = invocation;
  const [id] = args;
  return withApplication(invocation, async (application) => {
    if (id !== undefined) return showRun(id, application, invocation);
    const [going, runs] = [await application.going(), await application.runs(50)];
    terminal.printJson({ version: 1, going, runs });
    const lines = [...going.map(describeGoing), ...runs.map(describeRun)];
    terminal.print(lines.length === 0 ? "no runs are known" : lines.join("\n"));
    return 0;
  });
}

async function showRun(
  id: string,
  application: Application,
  { terminal, options }: Invocation,
): Promise<number> {
  const run = await application.stateOf(id);
  switch (run.state) {
    case "finished":
      terminal.printJson(run.report);
      terminal.print(renderReport(run.report, { palette: terminal.out, verbose: options.verbose === true }));
      return 0;
    case "running":
      terminal.printJson({
        ...{ version: 1, run: id, state: "running", cancelled: run.cancelled },
        stages: run.view?.stages ?? [],
      });
      terminal.print(
        run.cancelled
          ? `${id} is cancelled, and has not ended yet: its worker ends it, or else the next worker or command of its host`
          : `${id} is going on; the command that started it, given again, follows it`,
      );
      return 0;
    case "unknown":
      throw new SafeShutdownError("usage", `no run ${JSON.stringify(id)} is known; see safe-shutdown runs`);
    case "broken":
      throw withoutReport(id, run.reason);
  }
}
