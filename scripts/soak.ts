import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { parseDuration } from "../src/config/duration.ts";

/*
 * `npm run soak [-- --for 30m] [-- --only <case>]`: repeats the fault suite for as long as asked, each time in another
 * order and with faults put off by chance, then prints how often each case passed and failed. `--only` takes a part of
 * a case's name. What the programs of a failed case said is kept. Exit code 1 when any case has failed.
 */

const LATEST_FAULT_MS = 3_000;
/** Once per soak; in the other rounds a few hundred have to do. */
const MANY_RUNS = 10_000;

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          failureMessages: z.array(z.string()).nullish(),
          meta: z.object({ recoveryMs: z.number().optional() }).nullish(),
        }),
      ),
    }),
  ),
});

interface Tally {
  passed: number;
  failed: number;
  readonly recoveriesMs: number[];
  readonly failures: string[];
}

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { for: { type: "string", default: "30m" }, only: { type: "string" } },
  });
  const lastsMs = parseDuration(values.for);
  if (lastsMs === undefined) {
    tell(`--for: expected a duration such as 30m, got ${JSON.stringify(values.for)}`);
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), "safe-shutdown-soak-"));
  const tallies = new Map<string, Tally>();
  const begunAt = performance.now();
  let rounds = 0;
  do {
    rounds += 1;
    await round(join(folder, "round.json"), folder, rounds, values.only, tallies);
    const failed = [...tallies.values()].reduce((sum, tally) => sum + tally.failed, 0);
    tell(
      `round ${rounds} ended after ${Math.round((performance.now() - begunAt) / 1_000)} s; ${failed} failed so far`,
    );
  } while (performance.now() - begunAt < lastsMs);
  return conclude(tallies, folder);
}

async function round(
  file: string,
  transcripts: string,
  seed: number,
  only: string | undefined,
  tallies: Map<string, Tally>,
): Promise<void> {
  const words = ["vitest", "run", "test/faults", "--reporter=json", `--outputFile=${file}`];
  const order = [
    "--sequence.shuffle.tests",
    "--sequence.shuffle.files",
    `--sequence.seed=${Date.now() + seed}`,
  ];
  const only_ = only === undefined ? [] : ["-t", only];
  const child = spawn("npx", [...words, ...order, ...only_], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      SAFE_SHUTDOWN_SOAK_DELAY_MS: String(LATEST_FAULT_MS),
      SAFE_SHUTDOWN_SOAK_TRANSCRIPTS: transcripts,
      ...(seed === 1 && { SAFE_SHUTDOWN_SOAK_RUNS: String(MANY_RUNS) }),
    },
  });
  await once(child, "close");
  count(file, tallies);
  rmSync(file, { force: true });
}

function count(file: string, tallies: Map<string, Tally>): void {
  if (!existsSync(file)) {
    tallyOf(tallies, "the suite itself").failed += 1;
    return;
  }
  const { testResults } = reportSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  for (const { message = "", assertionResults } of testResults) {
    if (assertionResults.length === 0) fail(tallyOf(tallies, "the suite itself"), message);
    for (const { fullName, status, failureMessages, meta } of assertionResults) {
      if (status !== "passed" && status !== "failed") continue;
      const tally = tallyOf(tallies, fullName);
      if (status === "failed") fail(tally, (failureMessages ?? []).join("\n"));
      else tally.passed += 1;
      if (meta?.recoveryMs !== undefined) tally.recoveriesMs.push(meta.recoveryMs);
    }
  }
}

function fail(tally: Tally, message: string): void {
  tally.failed += 1;
  tally.failures.push(message.split("\n    at ")[0] ?? "");
}

function tallyOf(tallies: Map<string, Tally>, name: string): Tally {
  const tally = tallies.get(name) ?? { passed: 0, failed: 0, recoveriesMs: [], failures: [] };
  tallies.set(name, tally);
  return tally;
}

function conclude(tallies: Map<string, Tally>, folder: string): number {
  tell(["passed", "failed", "recovery", "longest", "   case"].map((word) => word.padStart(9)).join(""));
  for (const [name, { passed, failed, recoveriesMs }] of [...tallies].toSorted()) {
    const sorted = recoveriesMs.toSorted((a, b) => a - b);
    const times = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)].map(seconds);
    tell(`${[passed, failed, ...times].map((cell) => String(cell).padStart(9)).join("")}  ${name}`);
  }
  const failed = [...tallies].filter(([, tally]) => tally.failed > 0);
  for (const [name, { failures }] of failed)
    tell(`\n${name}:\n${[...new Set(failures)].join("\n").slice(0, 4_000)}`);
  if (failed.length === 0) rmSync(folder, { recursive: true });
  else tell(`\nWhat the programs said is in ${folder}`);
  return failed.length > 0 || tallies.size === 0 ? 1 : 0;
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? "" : `${(ms / 1_000).toFixed(1)} s`;
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}
