import { hostname } from "node:os";
import { type Problem, SafeShutdownError } from "../errors.ts";
import { crossFindings } from "./checks.ts";
import type { Config } from "./config.ts";
import { describeValue, type Finding, formatPath, toProblem, valueAt } from "./config-path.ts";
import { findConfig } from "./discover.ts";
import { type EffectiveSetting, effectiveSettings } from "./origins.ts";
import { findingsOf } from "./problems.ts";
import { REDIS_URL_IN_WORDS } from "./redis-schema.ts";
import { redisUrlFault } from "./redis-url.ts";
import { resolveConfig } from "./resolve.ts";
import { scheduleFindings } from "./schedule-checks.ts";
import { configFileSchema, configParts, NAME, NAME_IN_WORDS } from "./schema.ts";
import { type FoundSetting, lookUpSetting } from "./settings.ts";
import { readSource } from "./source.ts";
import { entriesAt } from "./unchecked.ts";
import { configWarnings } from "./warnings.ts";

export type { EffectiveSetting } from "./origins.ts";

/** What decides which config counts. */
export interface LoadOptions {
  /** The real, absolute path of the application's root. */
  readonly root: string;
  /** An absolute path; default: the file found in the root or its `config/`, else the built-in policy. */
  readonly configFile?: string | undefined;
  /** This host's name; default: the hostname. */
  readonly host?: string | undefined;
  /** Instead of `redis.url`, and of `SAFE_SHUTDOWN_REDIS_URL`. */
  readonly redisUrl?: string | undefined;
  /** Of it only `SAFE_SHUTDOWN_REDIS_URL` is read; an empty one counts as not set. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A config that holds, where each of its values came from, and what is odd about it. */
export interface LoadedConfig {
  readonly config: Config;
  readonly origins: EffectiveSetting[];
  readonly warnings: Problem[];
}

/** A value from outside the file, and what it is called where it came from. */
interface Given {
  readonly value: string;
  readonly origin: string;
}

/**
 * Finds, reads, checks and resolves the config. Throws `config-invalid` with every problem at once: where,
 * what was expected and found, and a hint. No message, warning or origin holds a password of a URL.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const { root } = options;
  const { name, file, text } = findConfig(root, options.configFile);
  const source = readSource(name, text);
  const host = givenHost(options);
  const redisUrl = givenRedisUrl(options);
  const problems = [...source.problems, ...givenProblems(host, redisUrl)];
  if (source.problems.length > 0) throw invalid(name, problems);

  const { settings, findings } = lookUpSettings(root, source.value);
  const parsed = configFileSchema.safeParse(source.value);
  if (!parsed.success) findings.push(...findingsOf(parsed.error, source.value));
  findings.push(...crossFindings(source.value), ...(await scheduleFindings(source.value)));
  const placed = findings.map((finding) => ({ finding, line: source.lineNear(finding.path) }));
  placed.sort((a, b) => a.line - b.line);
  problems.push(...placed.map(({ finding, line }) => toProblem(finding, `${name}:${line}`)));
  if (!parsed.success || problems.length > 0) throw invalid(name, problems);

  const settingMs = (index: number) => settings.get(formatPath(settingPath(index)))?.ms ?? 0;
  const config = resolveConfig(parsed.data, {
    root,
    host: host.value,
    file,
    redisUrl: redisUrl?.value,
    settingMs,
  });
  const overrides = { hostOrigin: host.origin, redisUrlOrigin: redisUrl?.origin, settings };
  return {
    config,
    origins: effectiveSettings(config, parsed.data, source, overrides),
    warnings: [...source.warnings, ...configWarnings(parsed.data, source)],
  };
}

function givenHost({ host }: LoadOptions): Given {
  return host === undefined ? { value: hostname(), origin: "hostname" } : { value: host, origin: "--host" };
}

function givenRedisUrl({ redisUrl, env }: LoadOptions): Given | undefined {
  if (redisUrl !== undefined) return { value: redisUrl, origin: "--redis" };
  const value = env.SAFE_SHUTDOWN_REDIS_URL;
  return value === undefined || value === "" ? undefined : { value, origin: "SAFE_SHUTDOWN_REDIS_URL" };
}

function givenProblems(host: Given, redisUrl: Given | undefined): Problem[] {
  const problems: Problem[] = [];
  if (!NAME.test(host.value)) {
    const message = `expected ${NAME_IN_WORDS}, got ${describeValue(host.value)}`;
    problems.push({ path: host.origin, message, hint: "name this host with --host NAME" });
  }
  const fault = redisUrl === undefined ? undefined : redisUrlFault(redisUrl.value);
  if (redisUrl !== undefined && fault !== undefined) {
    const message = `expected ${REDIS_URL_IN_WORDS}, got something else`;
    problems.push({ path: redisUrl.origin, message, hint: fault });
  }
  return problems;
}

function settingPath(index: number) {
  return ["redis", "prune", index, "olderThan"];
}

/** Every duration of the application's own config that the file asks for, by config path. */
function lookUpSettings(root: string, input: unknown) {
  const settings = new Map<string, FoundSetting>();
  const findings: Finding[] = [];
  for (const [index] of entriesAt(input, ["redis", "prune"]).entries()) {
    const path = settingPath(index);
    const setting = configParts.setting.safeParse(valueAt(input, path)).data;
    if (setting === undefined) continue;
    const found = lookUpSetting(root, setting, path);
    if ("ms" in found) settings.set(formatPath(path), found);
    else findings.push(found);
  }
  return { settings, findings };
}

function invalid(name: string, problems: readonly Problem[]): SafeShutdownError {
  const count = problems.length === 1 ? "one problem" : `${problems.length} problems`;
  return new SafeShutdownError("config-invalid", `the config (${name}) has ${count}`, { problems });
}
