import type { CliOptions } from "./options.ts";
import type { Terminal } from "./terminal.ts";

/** What a command is given. */
export interface Invocation {
  readonly command: string;
  readonly args: readonly string[];
  readonly options: CliOptions;
  readonly terminal: Terminal;
}

/** Runs a command to its exit code. */
export type Handler = (invocation: Invocation) => Promise<number>;
