import { join } from "node:path";
import { findConfig } from "../config/discover.ts";
import { draftConfig } from "../config/draft.ts";
import { SafeShutdownError } from "../errors.ts";
import { resolveRoot } from "../system/root.ts";
import { writeNewFile } from "../system/text-file.ts";
import type { Invocation } from "./invocation.ts";

/** `init`: writes a commented config for the application found in the root, unless it has one already. */
export async function init({ options, terminal }: Invocation): Promise<number> {
  const root = resolveRoot(options.root ?? process.cwd());
  const { file: existing } = findConfig(root, undefined);
  if (existing !== undefined) {
    throw new SafeShutdownError(
      "refused",
      `there is a config already: ${existing}. Edit it, or remove it first; see safe-shutdown check`,
    );
  }
  const file = join(root, "safe-shutdown.yaml");
  writeNewFile(file, await draftConfig(root));
  terminal.printJson({ version: 1, file });
  terminal.print(`Wrote ${file}. Read it, then look: safe-shutdown check, safe-shutdown --dry-run`);
  return 0;
}
