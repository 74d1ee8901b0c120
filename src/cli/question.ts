import { confirm as ask, isCancel } from "@clack/prompts";
import type { FlowName } from "../../jobs/flows.ts";
import { flows } from "../../jobs/flows.ts";
import type { JobName } from "../../jobs/registry.ts";
import { jobs as registry } from "../../jobs/registry.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Application } from "../flow/application.ts";
import { renderSystem } from "../report/text.ts";
import { printable } from "../report/words.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Asks before something is stopped or removed, and shows what was found. Throws `refused` when the answer is no or
 * when nobody can answer, `interrupted` on Ctrl-C.
 */
export async function confirm(
  application: Application,
  flow: FlowName,
  jobs: readonly JobName[] | undefined,
  terminal: Terminal,
): Promise<void> {
  if (!terminal.isInteractive) {
    throw new SafeShutdownError(
      "refused",
      `\`safe-shutdown ${flow}\` asks before it acts, and there is nobody to ask (no terminal, or --json). ` +
        "Say --yes to go ahead, --force to kill at once, or --dry-run to only look.",
    );
  }
  const { app, root } = application.config;
  terminal.tell(`${terminal.err.bold(printable(app))} in ${printable(root)}`);
  terminal.tell(
    renderSystem(await application.system(), terminal.err)
      .map((line) => `  ${line}`)
      .join("\n"),
  );
  const steps = flows[flow].flat().filter((name) => jobs === undefined || jobs.includes(name));
  terminal.tell(steps.map((name) => `  ${terminal.err.dim("→")} ${registry[name].summary}`).join("\n"));
  const answer = await ask({
    message: flow === "clean" ? "Clean up?" : "Stop these services?",
    initialValue: false,
    output: process.stderr,
  });
  if (isCancel(answer)) throw new SafeShutdownError("interrupted", "interrupted; nothing was touched");
  if (!answer) throw new SafeShutdownError("refused", "answered with no; nothing was touched");
}
