import { confirm as askOnTerminal, isCancel } from "@clack/prompts";
import type { FlowName } from "../../jobs/flows.ts";
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
  jobs: readonly string[] | undefined,
  terminal: Terminal,
): Promise<void> {
  const way = "Say --yes to go ahead, --force to kill at once, or --dry-run to only look.";
  requireAnswerer(flow, way, terminal);
  const { app, root } = application.config;
  terminal.tell(`${terminal.err.bold(printable(app))} in ${printable(root)}`);
  terminal.tell(
    renderSystem(await application.system(), terminal.err)
      .map((line) => `  ${line}`)
      .join("\n"),
  );
  const { catalog } = application;
  const steps = catalog.flows[flow].flat().filter((name) => jobs === undefined || jobs.includes(name));
  const summaries = steps.map((name) => printable(catalog.jobs.get(name)?.summary ?? name));
  terminal.tell(summaries.map((summary) => `  ${terminal.err.dim("→")} ${summary}`).join("\n"));
  await ask(flow === "clean" ? "Clean up?" : "Stop these services?");
}

/** Throws `refused` when there is nobody to ask; `way` says what to do then. */
export function requireAnswerer(command: string, way: string, terminal: Terminal): void {
  if (terminal.isInteractive) return;
  const why = "and there is nobody to ask (no terminal, or --json)";
  throw new SafeShutdownError("refused", `\`safe-shutdown ${command}\` asks before it acts, ${why}. ${way}`);
}

/** Asks whether to go ahead. Throws `refused` when the answer is no, `interrupted` on Ctrl-C. */
export async function ask(message: string): Promise<void> {
  const answer = await askOnTerminal({ message, initialValue: false, output: process.stderr });
  if (isCancel(answer)) throw new SafeShutdownError("interrupted", "interrupted; nothing was touched");
  if (!answer) throw new SafeShutdownError("refused", "answered with no; nothing was touched");
}
