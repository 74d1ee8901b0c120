import { existsSync } from "node:fs";
import { type Held, within } from "../../src/system/directory.ts";
import { WorkingDirectory } from "../../src/system/working-directory.ts";

/* `node working-directory.ts <root>`: asks a WorkingDirectory what it is told over IPC. */

const directory = new WorkingDirectory(process.argv[2] ?? "");
let held: Held | undefined;

process.on("message", ({ ask, path }: { ask: string; path: string }) => {
  try {
    process.send?.(answer(ask, path));
  } catch (error) {
    process.send?.(`${error instanceof Error ? error.constructor.name : ""}: ${error}`);
  }
});
process.on("disconnect", () => process.exit());
process.send?.("ready");

function answer(ask: string, path: string): string {
  if (ask === "hold") held = directory.hold(path);
  if (ask === "hold") return "held";
  if (held !== undefined && ask === "use what was held") return `within ${within(held, held.path)}`;
  const at = directory.reach(path);
  return `${at}: ${existsSync(at) ? "there" : "not there"}`;
}
