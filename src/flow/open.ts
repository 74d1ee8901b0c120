import type { Log } from "../../jobs/job.ts";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { packageVersion } from "../system/package.ts";
import { resolveRoot } from "../system/root.ts";
import { Application } from "./application.ts";
import { loadCatalog } from "./catalog.ts";

export interface OpenOptions {
  /** The application's root. Default: the current directory. */
  readonly root?: string | undefined;
  /** An absolute path. Default: the file found in the root or its `config/`, else the built-in policy. */
  readonly configFile?: string | undefined;
  /** This host's name. Default: the hostname. */
  readonly host?: string | undefined;
  /** Instead of the config's `redis.url`. */
  readonly redisUrl?: string | undefined;
  readonly log: Log;
}

/** Loads the config of the application in `root`. Throws `refused` for the root, `config-invalid`. */
export async function openApplication(
  options: OpenOptions,
): Promise<{ application: Application; loaded: LoadedConfig }> {
  const { root = process.cwd(), configFile, host, redisUrl, log } = options;
  const loaded = await loadConfig({ root: resolveRoot(root), configFile, host, redisUrl, env: process.env });
  const catalog = await loadCatalog(loaded.config);
  return { application: new Application(loaded.config, { catalog, log, version: packageVersion() }), loaded };
}
