import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseDuration } from "../src/config/duration.ts";
import { LONG_FORMS, runLongForms } from "./soak/long-forms.ts";
import { asksForMechanisms, takeOutMechanisms } from "./soak/mechanisms.ts";
import { Tallies } from "./soak/tally.ts";
import { readVitestReport } from "./soak/vitest-report.ts";

/*
 * `npm run soak [-- --for 30m] [-- --only <case>]`: the long form of the attacks and of the parsers' fuzzing, each once;
 * then the fault suite again and again for as long as asked, each time in another order and with faults put off by chance.
 * At the end it prints how often each case passed and failed, and what it counted. `--only` takes a part of a case's name,
 * such as `attacks`, `parsers: a config` or `worker is killed`; `faults` is the whole fault suite. What the programs of a
 * failed case said is kept. Exit code 1 when any case has failed.
 *
 * `--only mechanisms`, or `--only "mechanisms: <part of a promise>"`, is apart from these: see soak/mechanisms.ts. It takes
 * some 40 minutes.
 */

const LATEST_FAULT_MS = 3_000;
/** Once per soak; in the other rounds a few hundred have to do. */
const MANY_RUNS = 10_000;

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
  if (asksForMechanisms(values.only)) return takeOutMechanisms(values.only, tell);
  const folder = mkdtempSync(join(tmpdir(), "safe-shutdown-soak-"));
  const tallies = new Tallies();
  const forms = LONG_FORMS.filter(({ name }) => values.only === undefined || name.includes(values.only));
  await runLongForms(forms, tallies, tell);
  if (values.only !== undefined && forms.length > 0) return tallies.conclude(folder, tell);
  const begunAt = performance.now();
  let rounds = 0;
  do {
    rounds += 1;
    await round(join(folder, "round.json"), folder, rounds, values.only, tallies);
    const tookSeconds = Math.round((performance.now() - begunAt) / 1_000);
    tell(`round ${rounds} ended after ${tookSeconds} s; ${tallies.failures} failed so far`);
  } while (performance.now() - begunAt < lastsMs);
  return tallies.conclude(folder, tell);
}

async function round(
  file: string,
  transcripts: string,
  seed: number,
  only: string | undefined,
  tallies: Tallies,
): Promise<void> {
  const words = ["vitest", "run", "test/faults", "--reporter=json", `--outputFile=${file}`];
  const order = [
    "--sequence.shuffle.tests",
    "--sequence.shuffle.files",
    `--sequence.seed=${Date.now() + seed}`,
  ];
  const some = only === undefined || only === "faults" ? [] : ["-t", only];
  const child = spawn("npx", [...words, ...order, ...some], {
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

function count(file: string, tallies: Tallies): void {
  const files = readVitestReport(file);
  if (files === undefined) {
    tallies.failed("the suite itself", "it ended without a report");
    return;
  }
  for (const { message = "", assertionResults } of files) {
    if (assertionResults.length === 0) tallies.failed("the suite itself", message);
    for (const { fullName, status, failureMessages, meta } of assertionResults) {
      const why = (failureMessages ?? []).join("\n");
      if (status === "failed") {
        tallies.failed(fullName, why);
        tell(`failed: ${fullName}: ${why.split("\n")[0]}`);
      } else if (status === "passed") tallies.passed(fullName, meta?.recoveryMs);
      else if (meta?.gaveUp !== undefined) tallies.late(fullName);
    }
  }
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}
