import { join } from "node:path";
import { draftConfig } from "../config/draft.ts";
import { resolveRoot } from "../system/root.ts";
import { writeNewFile } from "../system/text-file.ts";
import type { Invocation } from "./invocation.ts";

/** `init`: writes a commented config for the application found in the root. Never overwrites one. */
export async function init({ options, terminal }: Invocation): Promise<number> {
  const root = resolveRoot(options.root ?? process.cwd());
  const file = join(root, "safe-shutdown.yaml");
  writeNewFile(file, await draftConfig(root));
  terminal.printJson({ version: 1, file });
  terminal.print(`Wrote ${file}. Read it, then look: safe-shutdown check, safe-shutdown --dry-run`);
  return 0;
}
