import { z } from "zod";
import { alwaysPreserved } from "./always-preserved.ts";
import type { Config } from "./config.ts";
import { type ConfigPath, formatPath } from "./config-path.ts";
import { formatExactDuration } from "./duration.ts";
import { redactText } from "./redact.ts";
import { type ConfigFile, configFileSchema } from "./schema.ts";
import type { FoundSetting } from "./settings.ts";
import type { Source } from "./source.ts";

/** One value of the effective config, and where it came from. Holds no password. */
export interface EffectiveSetting {
  /** The config path: `services[0].grace`. */
  readonly path: string;
  /** As a config file would write it. */
  readonly value: string;
  /** `safe-shutdown.yaml:12`, `default`, `--redis`, `SAFE_SHUTDOWN_REDIS_URL`, a file and JSON pointer, … */
  readonly origin: string;
}

/** Where the values came from that are not the file's. */
export interface Overrides {
  readonly hostOrigin: string;
  readonly redisUrlOrigin: string | undefined;
  /** By config path. */
  readonly settings: ReadonlyMap<string, FoundSetting>;
}

/** Every value of the config in the order of the schema, defaults included. */
export function effectiveSettings(
  config: Config,
  written: ConfigFile,
  source: Source,
  overrides: Overrides,
): EffectiveSetting[] {
  const rows: EffectiveSetting[] = [{ path: "host", value: config.host, origin: overrides.hostOrigin }];
  const visit = (value: unknown, path: ConfigPath): void => {
    const text = formatPath(path);
    const setting = overrides.settings.get(text);
    if (text === "redis.url" && overrides.redisUrlOrigin !== undefined) {
      rows.push(row(text, config.redis.url, overrides.redisUrlOrigin));
    } else if (setting !== undefined) {
      rows.push(row(text, formatExactDuration(setting.ms), setting.origin));
    } else if (isBranch(value)) {
      for (const [key, inner] of Object.entries(value))
        visit(inner, [...path, Array.isArray(value) ? Number(key) : key]);
    } else if (text !== "$schema") {
      rows.push(row(text, textOf(value), source.placeOf(path) ?? "default"));
    }
    if (text === "redis" && written.queue.url === undefined)
      rows.push(row("queue.url", config.queue.url, "redis.url"));
  };
  for (const [key, value] of Object.entries(z.encode(configFileSchema, written))) visit(value, [key]);
  rows.push(row("preserve (always)", textOf(alwaysPreserved(config.session?.file, config.file)), "built in"));
  return rows;
}

function row(path: string, value: string, origin: string): EffectiveSetting {
  return { path, value: redactText(value), origin };
}

/** Mappings, and lists that hold mappings; a list of plain values is one value. */
function isBranch(value: unknown): value is object {
  if (Array.isArray(value)) return value.some((item) => typeof item === "object");
  return typeof value === "object" && value !== null;
}

function textOf(value: unknown): string {
  if (!Array.isArray(value)) return String(value);
  return value.length === 0 ? "none" : value.join(", ");
}
