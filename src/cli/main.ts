#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";
import { Command, CommanderError } from "commander";
import { nearest } from "../config/similar.ts";
import { exitCodeOf, SafeShutdownError } from "../errors.ts";
import { every } from "../system/clock.ts";
import { packageVersion } from "../system/package.ts";
import { commands } from "./commands.ts";
import { addOptions, type CliOptions, type OptionName } from "./options.ts";
import { errorDocument, Terminal } from "./terminal.ts";
import { hideSecretsInTitle } from "./title.ts";

hideSecretsInTitle();

let hasLostOutput = false;

/** Garbage is collected when the heap has grown by a third, not only when it is four times as large: it costs no time here. */
setFlagsFromString("--heap-growing-percent=30");
/** What is new is soon garbage, or stays: room for more of it would be 30 MB, and save nothing. */
setFlagsFromString("--semi-space-growth-factor=1");
/** So it is little at a time: to wake other threads for it, and to wait for them, takes longer than to do it. */
setFlagsFromString("--no-parallel-scavenge");
/** Code is optimized once it has run for long: to do that early, and all at once, takes an eighth of the time of a short command. */
setFlagsFromString("--interrupt-budget=1000000");

/** Whoever does not listen is no error of ours: a reader that has seen enough, such as `head`, or a closed terminal. */
const NOBODY_LISTENS: readonly (string | undefined)[] = ["EPIPE", "EIO"];

/** What cannot be written, as the disk is full, must not keep anybody from stopping and cleaning; the exit code tells. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    if (NOBODY_LISTENS.includes(code) || hasLostOutput) return;
    hasLostOutput = true;
    process.stderr.write(`error: not all of the output could be written: ${message}\n`);
  });
}
process.on("exit", () => {
  if (hasLostOutput) process.exitCode ||= exitCodeOf.unexpected;
});

/** How long what is left of a connection may keep the process after everything else has ended. */
const LEFTOVERS_MS = 500;

process.exitCode = await main(process.argv);
every(LEFTOVERS_MS, () => process.exit());

async function main(argv: readonly string[]): Promise<number> {
  let exitCode: number = exitCodeOf.unexpected;
  const program = new Command("safe-shutdown")
    .description(
      "Stops an application made of background workers without losing work, and leaves a clean system.",
    )
    .version(packageVersion(), "-V, --version", "the version")
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(see safe-shutdown --help)")
    .exitOverride();
  addOptions(program);
  for (const [name, entry] of Object.entries(commands)) {
    program
      .command(entry.usage, name === "shutdown" ? { isDefault: true } : {})
      .description(entry.summary)
      .exitOverride()
      .allowExcessArguments(name === "shutdown") // a misspelt command arrives there: see `run`
      .configureHelp({
        showGlobalOptions: true,
        visibleGlobalOptions: () =>
          program.options.filter((option) => entry.takes.includes(option.attributeName() as OptionName)),
      })
      .action(async (...parameters) => {
        const command: Command = parameters.at(-1);
        exitCode = await run(name, command.args, program);
      });
  }
  try {
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    const message = error.message.replace(/^error: /, "");
    new Terminal(program.opts<CliOptions>()).printJson(errorDocument("usage", message));
    return exitCodeOf.usage;
  }
}

async function run(name: string, args: readonly string[], program: Command): Promise<number> {
  const options = program.opts<CliOptions>();
  const terminal = new Terminal(options);
  try {
    const entry = commands[name];
    if (entry === undefined) throw new SafeShutdownError("usage", `there is no command ${name}`);
    const [unknown] = name === "shutdown" ? args : [];
    if (unknown !== undefined) throw unknownCommand(unknown);
    refuseUseless(name, entry.takes, program);
    const handle = await entry.load();
    return await handle({ command: name, args, options, terminal });
  } catch (error) {
    return terminal.fail(error);
  }
}

function unknownCommand(word: string): SafeShutdownError {
  const similar = nearest(word, Object.keys(commands));
  const hint = similar === undefined ? "" : ` Did you mean ${similar}?`;
  return new SafeShutdownError(
    "usage",
    `there is no command ${JSON.stringify(word)}.${hint} See safe-shutdown --help`,
  );
}

/** An option that would do nothing is a misunderstanding: better said than ignored. */
function refuseUseless(name: string, takes: readonly OptionName[], program: Command): void {
  const useless = program.options.filter((option) => {
    const attribute = option.attributeName();
    return program.getOptionValueSource(attribute) === "cli" && !takes.includes(attribute as OptionName);
  });
  if (useless.length === 0) return;
  const flags = useless.map(({ long }) => long).join(", ");
  throw new SafeShutdownError(
    "usage",
    `\`safe-shutdown ${name}\` takes no ${flags}; see safe-shutdown ${name} --help`,
  );
}
