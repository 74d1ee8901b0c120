import { confirm as askOnTerminal, isCancel } from "@clack/prompts";
import type { FlowName } from "../../jobs/flows.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Application } from "../flow/application.ts";
import { reasonToSkip } from "../flow/intent.ts";
import { renderSystem } from "../report/text.ts";
import { printable } from "../report/words.ts";
import type { Terminal } from "./terminal.ts";

/** What is asked about: a flow, or some of its jobs, on some hosts. */
export interface Asked {
  readonly flow: FlowName;
  /** Default: all of the flow. */
  readonly jobs: readonly string[] | undefined;
  /** Default: this one. */
  readonly hosts: readonly string[] | "all" | undefined;
  readonly keepRedis: boolean;
}

/**
 * Asks before something is stopped or removed, and shows where, and what was found here. Answers the hosts that were
 * named: those, and no others, were agreed to. Throws `refused` when the answer is no or when nobody can answer,
 * `interrupted` on Ctrl-C, `redis-unreachable` when all hosts are meant and nobody can say which these are.
 */
export async function confirm(
  application: Application,
  asked: Asked,
  terminal: Terminal,
): Promise<readonly string[]> {
  const way = "Say --yes to go ahead, --force to kill at once, or --dry-run to only look.";
  requireAnswerer(asked.flow, way, terminal);
  const { config, catalog } = application;
  const hosts = await hostsOf(asked, application);
  const steps = catalog.flows[asked.flow]
    .flat()
    .filter((name) => asked.jobs?.includes(name) ?? true)
    .filter((name) => reasonToSkip(name, asked) === undefined);
  const isStopping = steps.includes("stop-services");

  const isHere = hosts.includes(config.host);
  const place = isHere ? ` in ${printable(config.root)} on ${config.host}` : "";
  terminal.tell(`${terminal.err.bold(printable(config.app))}${place}`);
  const found = isHere ? renderSystem(await application.system(), terminal.err) : [];
  for (const line of found) terminal.tell(`  ${line}`);
  const act = isStopping ? "its services are stopped" : "its leftovers are removed";
  for (const host of hosts)
    if (host !== config.host) terminal.tell(`  On ${host}: ${act}; what runs there cannot be seen from here`);
  for (const name of steps)
    terminal.tell(`  ${terminal.err.dim("→")} ${printable(catalog.jobs.get(name)?.summary ?? name)}`);
  await ask(`${isStopping ? "Stop the services" : "Clean up"} on ${placeOf(hosts)}?`);
  return hosts;
}

async function hostsOf({ hosts }: Asked, application: Application): Promise<readonly string[]> {
  const { host } = application.config;
  if (hosts !== "all") return [...new Set(hosts ?? [host])];
  return [...new Set([host, ...(await application.hosts()).map((known) => known.host)])];
}

/** All are named in lines of their own; the question itself stays one line. */
function placeOf(hosts: readonly string[]): string {
  return hosts.length > 5 ? `${hosts.length} hosts` : hosts.join(", ");
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
