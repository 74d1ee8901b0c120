import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Scene } from "./scene.ts";

/** Set by `npm run soak`. */
const FOLDER = process.env.SAFE_SHUTDOWN_SOAK_TRANSCRIPTS;

/** Keeps what the programs of a failed case have said. */
export function keepTranscript(test: string, { programs }: Scene): void {
  if (FOLDER === undefined) return;
  mkdirSync(FOLDER, { recursive: true });
  const text = programs.map(({ child, stdout, stderr }) =>
    [
      `### ${child.spawnargs.slice(1).join(" ")}`,
      `exit ${child.exitCode}, ${child.signalCode}`,
      stdout.text,
      stderr.text,
    ].join("\n"),
  );
  const name = test.replaceAll(/[^\w]+/g, "-");
  writeFileSync(join(FOLDER, `${name}-${Date.now()}.txt`), text.join("\n\n"));
}
