import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { MECHANISMS } from "./mechanisms/all.ts";
import type { Edit, Mechanism, NamedTest } from "./mechanisms/mechanism.ts";

/*
 * The mechanisms of docs/safety.md, each taken out once in a copy of the project: the test named for it must fail.
 * First every test passes with all of them in place.
 */

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const LEFT_BEHIND = ["node_modules", "dist", ".git"];
/** A run that takes longer hangs. */
const LONGEST_RUN_MS = 300_000;
const PREFIX = "mechanisms";

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      message: z.string().optional(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

/** `nothing`: the tests may not run here. An error: of the list, such as a name that no test bears. */
type Ending = "passed" | "failed" | "nothing" | Error;
type Judgement = "caught" | "SURVIVED" | "may not run here" | `error: ${string}`;

/** Whether `--only` asks for mechanisms: `mechanisms`, or `mechanisms: <part of a promise>`. */
export function asksForMechanisms(only: string | undefined): only is string {
  return only?.startsWith(PREFIX) ?? false;
}

/** The exit code: 1 when a mechanism can be taken out without a test to notice, or the list is not right. */
export async function takeOutMechanisms(only: string, tell: (line: string) => void): Promise<number> {
  const part = only.slice(PREFIX.length).replace(/^: */, "");
  const mechanisms = MECHANISMS.filter(({ promise }) => promise.includes(part));
  const copy = mkdtempSync(join(tmpdir(), "safe-shutdown-mechanisms-"));
  const judgements: [Mechanism, Judgement][] = [];
  try {
    copyProject(copy);
    const endings = await runUnchanged(copy, mechanisms, tell);
    for (const mechanism of mechanisms) {
      const whole = endings.get(keyOf(mechanism.test)) ?? new Error("was not run");
      const judgement = whole === "passed" ? await takeOut(copy, mechanism) : judgementOf(whole, true);
      judgements.push([mechanism, judgement]);
      tell(line(mechanism, judgement));
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  return conclude(judgements, tell);
}

/** Readable for the other users as whom some tests run the program. What an edit leaves unused is no error there. */
function copyProject(copy: string): void {
  chmodSync(copy, 0o755);
  cpSync(PROJECT, copy, { recursive: true, filter: (path) => !LEFT_BEHIND.includes(basename(path)) });
  symlinkSync(join(PROJECT, "node_modules"), join(copy, "node_modules"));
  const config = join(copy, "tsconfig.json");
  writeFileSync(config, readFileSync(config, "utf8").replace(/("noUnused\w+"): true/g, "$1: false"));
}

/** How each named test ends with all mechanisms in place; the tests of a file run together. */
async function runUnchanged(
  copy: string,
  mechanisms: readonly Mechanism[],
  tell: (line: string) => void,
): Promise<Map<string, Ending>> {
  const endings = new Map<string, Ending>();
  for (const file of new Set(mechanisms.map(({ test }) => test.file))) {
    const tests = mechanisms.map(({ test }) => test).filter((test) => test.file === file);
    const found = await run(copy, tests);
    for (const [index, test] of tests.entries())
      endings.set(keyOf(test), found[index] ?? new Error("was not run"));
    tell(`${file}: ${[...new Set(found)].map(String).join(", ")}`);
  }
  return endings;
}

async function takeOut(copy: string, { edits, test }: Mechanism): Promise<Judgement> {
  const before = edits.map(({ file }) => [join(copy, file), readFileSync(join(copy, file), "utf8")] as const);
  try {
    for (const edit of edits) apply(copy, edit);
    const [ending = new Error("was not run")] = await run(copy, [test]);
    return judgementOf(ending, false);
  } catch (error) {
    return `error: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    for (const [path, text] of before.toReversed()) writeFileSync(path, text);
  }
}

function apply(copy: string, { file, find, replace }: Edit): void {
  const path = join(copy, file);
  const [head = "", tail, ...more] = readFileSync(path, "utf8").split(find);
  if (tail === undefined || more.length > 0)
    throw new Error(
      `expected ${JSON.stringify(find)} once in ${file}, found it ${tail === undefined ? 0 : more.length + 1} times`,
    );
  writeFileSync(path, head + replace + tail);
}

function judgementOf(ending: Ending, isUnchanged: boolean): Judgement {
  if (ending instanceof Error) return `error: ${ending.message}`;
  if (ending === "nothing") return "may not run here";
  if (isUnchanged) return "error: the test fails with all mechanisms in place";
  return ending === "failed" ? "caught" : "SURVIVED";
}

/** Runs tests of one file, and answers how each ended. */
async function run(copy: string, tests: readonly NamedTest[]): Promise<Ending[]> {
  const report = join(copy, "report.json");
  rmSync(report, { force: true });
  const names = tests.map(({ name }) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  const words = [
    "vitest",
    "run",
    tests[0]?.file ?? "",
    "-t",
    names,
    "--reporter=json",
    `--outputFile=${report}`,
  ];
  const child = spawn("npx", [...words, "--retry=0"], {
    cwd: copy,
    stdio: ["ignore", "ignore", "pipe"],
    timeout: LONGEST_RUN_MS,
  });
  const said: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => said.push(text));
  await once(child, "close");
  if (!existsSync(report)) return tests.map(() => new Error(`no report: ${said.join("").slice(0, 400)}`));
  const { testResults } = reportSchema.parse(JSON.parse(readFileSync(report, "utf8")));
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const trouble = testResults.map(({ message = "" }) => message).join();
  return tests.map(({ name }) =>
    endingOf(
      results.filter(({ fullName }) => fullName.includes(name)),
      trouble,
    ),
  );
}

function endingOf(results: readonly { status: string }[], trouble: string): Ending {
  const has = (wanted: string) => results.some(({ status }) => status === wanted);
  if (results.length === 0) return new Error(trouble || "no test bears this name");
  return has("failed")
    ? "failed"
    : has("passed")
      ? "passed"
      : trouble === ""
        ? "nothing"
        : new Error(trouble);
}

function conclude(judgements: readonly [Mechanism, Judgement][], tell: (line: string) => void): number {
  tell("");
  for (const [mechanism, judgement] of judgements) tell(line(mechanism, judgement));
  const count = (wanted: string) => judgements.filter(([, one]) => one.startsWith(wanted)).length;
  const bad = count("SURVIVED") + count("error");
  tell(
    `${judgements.length} mechanisms: ${count("caught")} caught, ${count("SURVIVED")} survived, ${count("error")} errors`,
  );
  return bad > 0 || judgements.length === 0 ? 1 : 0;
}

function line({ promise, edits, test }: Mechanism, judgement: Judgement): string {
  const what = edits
    .map(({ file, find }) => `${file}: ${find.trim().split("\n")[0]?.slice(0, 60)}`)
    .join(" + ");
  return `${judgement.padEnd(9)} ${promise} | ${what} | ${test.file} "${test.name}"`;
}

function keyOf({ file, name }: NamedTest): string {
  return `${file} ${name}`;
}
