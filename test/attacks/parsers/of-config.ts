import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parse } from "yaml";
import { configJsonSchema } from "../../../src/config/json-schema.ts";
import { type LoadedConfig, loadConfig } from "../../../src/config/load.ts";
import { parseRedisUrl, redisUrlFault } from "../../../src/config/redis-url.ts";
import { lookUpSetting } from "../../../src/config/settings.ts";
import { SafeShutdownError } from "../../../src/errors.ts";
import { equal, mutationsOf, quickly } from "./inputs.ts";
import { settingIn } from "./references.ts";
import { CONFIGS, JSON_CONFIGS, REDIS_URLS, SETTINGS } from "./samples.ts";
import { fits, type Schema } from "./schema-reference.ts";
import { changesOf, nothingPolluted } from "./values.ts";

/* What an operator writes: the config, the application's own settings that it names, the URL of a Redis. */

/** In memory, where there is some: a million files are written to it. */
const BASE = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
let made: string | undefined;

function root(): string {
  made ??= realpathSync(mkdtempSync(join(BASE, "safe-shutdown-parsers-")));
  return made;
}

/** Removes what the checks have written. */
export function cleanUp(): void {
  if (made !== undefined) rmSync(made, { recursive: true });
  made = undefined;
}

/** A config that loads is one that its schema allows; else it is refused, and every problem said. */
async function configIsJudged(bytes: Buffer | string): Promise<void> {
  writeFileSync(join(root(), CONFIG), bytes);
  const loaded = await quickly(load, {});
  nothingPolluted();
  if (loaded === undefined) return;
  const value: unknown = parse(String(bytes), { merge: true, logLevel: "silent" });
  equal({ fits: fits(value, configJsonSchema() as Schema) }, { fits: true });
  const { services, locks, temp, limits } = loaded.config;
  const globs = [...services.flatMap(({ pidFiles }) => pidFiles), ...[...locks, ...temp].flatMap(patternsOf)];
  equal(globs.filter(leadsOut), []);
  equal([limits.files, limits.keys].every(Number.isSafeInteger), true);
}

async function load(): Promise<LoadedConfig | undefined> {
  try {
    return await loadConfig({ root: root(), host: "h1", env: {} });
  } catch (error) {
    if (!(error instanceof SafeShutdownError)) throw error;
    equal(["config-invalid", "refused"].includes(error.code), true);
    equal(error.code !== "config-invalid" || error.problems.length > 0, true);
    return undefined;
  }
}

const patternsOf = ({ patterns }: { patterns: readonly string[] }) => patterns;
const leadsOut = (glob: string) => glob.startsWith("/") || glob.split("/").includes("..");

const CONFIG = "safe-shutdown.yaml";
const SETTING = { setting: "settings.json#/fetch/seconds", unit: "s", default: 240_000, times: 2 } as const;

export const CHECKS: Record<string, fc.IRawProperty<unknown, boolean>> = {
  "a config": fc.asyncProperty(mutationsOf(CONFIGS), configIsJudged),
  "a config in JSON": fc.asyncProperty(changesOf(JSON_CONFIGS), configIsJudged),
  "the application's settings": fc.property(
    fc.oneof(mutationsOf(SETTINGS), changesOf(SETTINGS.map((text) => JSON.parse(text)))),
    (bytes) => {
      writeFileSync(join(root(), "settings.json"), bytes);
      const found = quickly(() => settingOrRefusal(), undefined);
      nothingPolluted();
      equal(found, settingIn(Buffer.from(bytes), ["fetch", "seconds"], 240_000 * 2, 2_000));
    },
  ),
  "the URL of a Redis": fc.property(mutationsOf(REDIS_URLS), (bytes) => {
    const text = bytes.toString("latin1");
    if (quickly(redisUrlFault, text) !== undefined) return;
    const { db, ...address } = parseRedisUrl(text);
    const nodes = "nodes" in address ? address.nodes : "node" in address ? [address.node] : [];
    equal(address.kind === "socket" ? address.path.startsWith("/") : nodes.length > 0, true);
    equal(
      nodes.every(({ host, port }) => host !== "" && port >= 1 && port <= 65_535),
      true,
    );
    equal(Number.isInteger(db) && db >= 0 && db <= 99_999, true);
  }),
};

/** In milliseconds; `refused`: there is a finding, or the file cannot be read. */
function settingOrRefusal(): number | "refused" {
  try {
    const found = lookUpSetting(root(), SETTING, []);
    return "ms" in found ? found.ms : "refused";
  } catch (error) {
    if (error instanceof SafeShutdownError && error.code === "refused") return "refused";
    throw error;
  }
}
