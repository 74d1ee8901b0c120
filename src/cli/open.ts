import { resolve } from "node:path";
import type { Application } from "../flow/application.ts";
import { type OpenOptions, openApplication } from "../flow/open.ts";
import { printable } from "../report/words.ts";
import type { Invocation } from "./invocation.ts";
import { logOf } from "./log.ts";
import type { CliOptions } from "./options.ts";

/** The application that the options name. Lets go of it after `use`, whatever happens. */
export async function withApplication<T>(
  { options, terminal }: Invocation,
  use: (application: Application) => Promise<T>,
): Promise<T> {
  const { application } = await openApplication({ ...applicationOptions(options), log: logOf(options) });
  const { file, root, app } = application.config;
  if (file === undefined) {
    terminal.tell(
      `No config in ${printable(root)}: the built-in policy (${app}) applies; \`safe-shutdown init\` writes one.`,
    );
  }
  try {
    return await use(application);
  } finally {
    await application.close();
  }
}

export function applicationOptions({ root, config, host, redis }: CliOptions): Omit<OpenOptions, "log"> {
  return { root, configFile: config === undefined ? undefined : resolve(config), host, redisUrl: redis };
}
