import picocolors from "picocolors";
import { type ErrorCode, exitCodeOf, messageOf, type Problem, SafeShutdownError } from "../errors.ts";
import type { Palette } from "../report/text.ts";
import { printable, printableJson } from "../report/words.ts";
import type { CliOptions } from "./options.ts";

/** Where a command speaks. Results go to stdout, everything else to stderr. */
export class Terminal {
  readonly options: CliOptions;
  /** Colours for stdout, and for stderr. */
  readonly out: Palette;
  readonly err: Palette;

  constructor(options: CliOptions, env: Readonly<Record<string, string | undefined>> = process.env) {
    this.options = options;
    const wanted = options.color && !env.NO_COLOR && env.TERM !== "dumb";
    this.out = picocolors.createColors(wanted && process.stdout.isTTY === true);
    this.err = picocolors.createColors(wanted && process.stderr.isTTY === true);
  }

  /** Whether a question can be asked: somebody is there to read it and to answer. */
  get isInteractive(): boolean {
    return process.stdin.isTTY === true && process.stderr.isTTY === true && this.options.json !== true;
  }

  /** The result of a command, for people. Nothing with --json. */
  print(text: string): void {
    if (this.options.json !== true) process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
  }

  /** The result of a command, for programs. Nothing without --json. */
  printJson(value: unknown): void {
    if (this.options.json === true)
      process.stdout.write(`${printableJson(JSON.stringify(value, null, 2))}\n`);
  }

  /** What is drawn on the screen for a while, and must give way before something else is written there. */
  giveWay: () => void = () => {};

  /** A word beside the result. Nothing with --quiet. */
  tell(text: string): void {
    if (this.options.quiet === true) return;
    this.giveWay();
    process.stderr.write(`${text}\n`);
  }

  /** Says what went wrong and answers the exit code. With --json it is the one document on stdout. */
  fail(error: unknown): number {
    const known = error instanceof SafeShutdownError ? error : undefined;
    const code = known?.code ?? "unexpected";
    const problems = known?.problems ?? [];
    const message = messageOf(error);
    this.printJson(errorDocument(code, message, problems));
    process.stderr.write(`${this.err.red("error")}: ${printable(message)}\n`);
    for (const problem of problems) process.stderr.write(`${renderProblem(problem, this.err)}\n`);
    if (known === undefined && this.options.verbose === true && error instanceof Error) {
      process.stderr.write(`${error.stack}\n`);
    }
    return exitCodeOf[code];
  }
}

/** What `--json` prints instead of a result. */
export function errorDocument(code: ErrorCode, message: string, problems: readonly Problem[] = []) {
  return { version: 1, error: { code, message, problems } };
}

/** One problem: where, what, and what to do next. */
export function renderProblem({ path, message, hint }: Problem, palette: Palette): string {
  const line = `  ${palette.bold(printable(path))}: ${printable(message)}`;
  return hint === undefined ? line : `${line}\n    ${palette.dim(`→ ${printable(hint)}`)}`;
}
