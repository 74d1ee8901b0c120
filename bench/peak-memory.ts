import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";

/** The peak memory of this process in MB. `maxRSS` will not do: of a child it is at least its parent's. */
export function peakMegabytes(): number {
  const [, kilobytes] = /VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kilobytes) / 1_000;
}

const EVERY_MS = 20;

/** Watches a program and the processes that it starts; answers their peaks so far, added up, in MB. */
export function watchPeaks(pid: number): () => number {
  const kilobytes = new Map<string, number>();
  const timer = setInterval(() => {
    for (const process of readdirSync("/proc")) {
      const status = statusOf(process);
      const parent = process === String(pid) ? pid : Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]);
      const [, peak] = /^VmHWM:\s*(\d+)/m.exec(status) ?? [];
      if (parent === pid && peak !== undefined) kilobytes.set(process, Number(peak));
    }
  }, EVERY_MS);
  return () => {
    clearInterval(timer);
    return [...kilobytes.values()].reduce((sum, one) => sum + one, 0) / 1_000;
  };
}

function statusOf(process: string): string {
  try {
    return readFileSync(`/proc/${process}/status`, "utf8");
  } catch {
    return ""; // no process, or none any more
  }
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
