import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { fileURLToPath } from "node:url";
import { findServer } from "../demo/redis-server.ts";
import { isBroken, type Measurement } from "./measure.ts";
import type { Suite } from "./suite.ts";

const FILE = fileURLToPath(new URL("./results.md", import.meta.url));
const HEADING = "# Measured\n\nWritten by `npm run bench`; one section per suite, each as it was last measured.\n";

/** Puts a suite's section into `results.md`; the sections of other suites stay. */
export function writeResults(suite: Suite, measurements: readonly Measurement[]): void {
  const text = existsSync(FILE) ? readFileSync(FILE, "utf8") : HEADING;
  const [, ...sections] = text.split(/^## /m);
  const others = sections.filter((section) => !section.startsWith(`${suite.name}\n`));
  const all = [...others.map((section) => section.trim()), section(suite, measurements)].toSorted();
  writeFileSync(FILE, [HEADING, ...all.map((one) => `## ${one}\n`)].join("\n"));
}

/** The table of a suite, also shown on the screen. */
export function tableOf(measurements: readonly Measurement[]): string {
  return [
    "| what | median ms | middle half, ms | ratio | bound | |",
    "|---|---:|---:|---:|---:|---|",
    ...measurements.map((one) => {
      const { what, medianMs, spreadMs, ratio, bound, remark } = one;
      const spread = spreadMs.map((ms) => ms.toFixed(0)).join("–");
      const verdict = remark ?? (bound === undefined ? "" : isBroken(one) ? "**broken**" : "holds");
      return `| ${what} | ${medianMs.toFixed(0)} | ${spread} | ${ratio.toFixed(2)} | ${bound ?? ""} | ${verdict} |`;
    }),
  ].join("\n");
}

function section({ name, about, notes }: Suite, measurements: readonly Measurement[]): string {
  return [name, about, tableOf(measurements), ...(notes?.() ?? []), machine()].join("\n\n");
}

function machine(): string {
  const processors = cpus();
  const memory = `${Math.round(totalmem() / 1e9)} GB`;
  const server = execFileSync(findServer(), ["--version"], { encoding: "utf8" });
  const version = /v=(\S+)/.exec(server)?.[1] ?? server.trim();
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, ${processors.length} × ${processors[0]?.model.trim()}, ${memory}, ${type()} ${release()}, Node ${process.version}, Redis ${version}.`;
}
