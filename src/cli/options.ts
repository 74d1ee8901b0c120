import type { Command } from "commander";

/** Every option there is, as the command line gives it. A command refuses those it has no use for. */
export interface CliOptions {
  readonly dryRun?: true;
  readonly yes?: true;
  readonly force?: true;
  readonly keepRedis?: true;
  readonly hosts?: string;
  readonly allHosts?: true;
  readonly inline?: true;
  readonly detach?: true;
  readonly root?: string;
  readonly config?: string;
  readonly host?: string;
  readonly redis?: string;
  readonly json?: true;
  readonly quiet?: true;
  readonly verbose?: true;
  /** `false` with --no-color. */
  readonly color: boolean;
}

export type OptionName = keyof CliOptions;

/** Options of every command. */
export const COMMON: readonly OptionName[] = [
  "root",
  "config",
  "host",
  "redis",
  "json",
  "quiet",
  "verbose",
  "color",
];
/** Options of what stops or removes something. */
export const RUN: readonly OptionName[] = [
  ...(["dryRun", "yes", "force", "keepRedis", "hosts", "allHosts", "inline", "detach"] as const),
  ...COMMON,
];

export function addOptions(program: Command): void {
  program
    .option("-n, --dry-run", "show exactly what would be done, touch nothing")
    .option("-y, --yes", "do not ask (graceful stop)")
    .option("--force", "do not ask, and kill at once instead of a graceful stop; also stops strays")
    .option("--keep-redis", "leave Redis alone")
    .option("--hosts <a,b>", "on these hosts (default: this one)")
    .option("--all-hosts", "on this host, and on every one whose worker is alive or died within a day")
    .option("--inline", "run in this process, without the queue")
    .option("--detach", "enqueue, print the run's id, return at once; needs a live worker")
    .option("--root <dir>", "root of the application (default: the current directory)")
    .option("--config <file>", "config file (default: safe-shutdown.yaml in the root or its config/)")
    .option("--host <name>", "this host's name (default: the hostname)")
    .option("--redis <url>", "instead of the config's redis.url")
    .option("--json", "one JSON document on stdout, nothing else there")
    .option("-q, --quiet", "no progress")
    .option("-v, --verbose", "every item, and the log")
    .option("--no-color", "plain text (also off a terminal, or with NO_COLOR)");
}
