#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { exitCodeOf, SafeShutdownError } from "../errors.ts";
import { packageVersion } from "../system/package.ts";
import { commands } from "./commands.ts";
import { addOptions, type CliOptions, type OptionName } from "./options.ts";
import { Terminal } from "./terminal.ts";

/** A reader that has seen enough, such as `head`, is no error of ours. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

process.exitCode = await main(process.argv);

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
      .configureHelp({
        visibleGlobalOptions: () =>
          program.options.filter((option) => entry.takes.includes(option.attributeName() as OptionName)),
      })
      .action(async (...parameters) => {
        const args = parameters
          .slice(0, -2)
          .flat()
          .filter((value): value is string => typeof value === "string");
        exitCode = await run(name, args, program);
      });
  }
  try {
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodeOf.usage;
    throw error;
  }
}

async function run(name: string, args: readonly string[], program: Command): Promise<number> {
  const options = program.opts<CliOptions>();
  const terminal = new Terminal(options);
  try {
    const entry = commands[name];
    if (entry === undefined) throw new SafeShutdownError("usage", `there is no command ${name}`);
    refuseUseless(name, entry.takes, program);
    const handle = await entry.load();
    return await handle({ command: name, args, options, terminal });
  } catch (error) {
    return terminal.fail(error);
  }
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
