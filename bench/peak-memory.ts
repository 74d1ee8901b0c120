import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** The peak memory of this process in MB. `maxRSS` will not do: of a child it is at least its parent's. */
export function peakMegabytes(): number {
  return peakIn(readFileSync("/proc/self/status", "utf8")) ?? Number.NaN;
}

/** The same of a process, by its /proc/<pid>/status; `undefined`: it has ended, and nobody has asked how yet. */
export function peakIn(status: string): number | undefined {
  const [, kilobytes] = /^VmHWM:\s*(\d+)/m.exec(status) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1_000;
}

const PROBE = `data:text/javascript,${encodeURIComponent(`
import { readFileSync, writeSync } from "node:fs";
process.on("exit", () => {
  const [, kilobytes] = /VmHWM:\\s*(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"));
  writeSync(2, "PEAK " + kilobytes + "\\n");
});`)}`;

/** The peak memory, in MB, of a program of Node that ends well. */
export async function peakOf(words: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(process.execPath, ["--import", PROBE, ...words], {
    ...{ cwd, env: { ...process.env, ...env } },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`node ${words.join(" ")} ended with ${code}:\n${said}`);
  return Number(/^PEAK (\d+)$/m.exec(said)?.[1]) / 1_000;
}
