import { messageOf } from "../../src/errors.ts";
import { MECHANISMS } from "./mechanisms/all.ts";
import type { Mechanism } from "./mechanisms/mechanism.ts";
import { type Ending, ProjectCopy } from "./project-copy.ts";

/*
 * The mechanisms of docs/safety.md, each taken out once in a copy of the project: the test that is named for it must fail.
 * Before, all of these tests pass with everything in place.
 */

const PREFIX = "mechanisms";

interface Judgement {
  readonly mechanism: Mechanism;
  /** `SURVIVED`: no test notices that it is gone. `WRONG`: the list is to be mended. */
  readonly verdict: "caught" | "SURVIVED" | "WRONG" | "may not run here";
  readonly why: string;
}

/** Whether `--only` asks for mechanisms: `mechanisms`, or `mechanisms: <part of a promise>`. */
export function asksForMechanisms(only: string | undefined): only is string {
  return only?.startsWith(PREFIX) ?? false;
}

/** Takes out one after another; the exit code: 1 when one survived, or the list is wrong. */
export async function takeOutMechanisms(only: string, tell: (line: string) => void): Promise<number> {
  const part = only.slice(PREFIX.length).replace(/^: */, "");
  const mechanisms = MECHANISMS.filter(({ promise }) => promise.includes(part));
  const copy = new ProjectCopy();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      copy.remove();
      process.exit(130);
    });
  const judgements: Judgement[] = [];
  try {
    const endings = await runUnchanged(copy, mechanisms, tell);
    for (const mechanism of mechanisms) {
      const before = endings.get(keyOf(mechanism));
      const judgement = before?.how === "passed" ? await takeOut(copy, mechanism) : unfit(mechanism, before);
      judgements.push(judgement);
      tell(lineOf(judgement));
    }
  } finally {
    copy.remove();
  }
  return conclude(judgements, tell);
}

/** How each named test ends with everything in place; those of a file run together. */
async function runUnchanged(
  copy: ProjectCopy,
  mechanisms: readonly Mechanism[],
  tell: (line: string) => void,
): Promise<ReadonlyMap<string, Ending>> {
  const endings = new Map<string, Ending>();
  for (const file of new Set(mechanisms.map(({ test }) => test.file))) {
    const named = mechanisms.filter(({ test }) => test.file === file);
    const found = await copy.run(
      file,
      named.map(({ test }) => test.name),
    );
    for (const [index, ending] of found.entries()) {
      const mechanism = named[index];
      if (mechanism !== undefined) endings.set(keyOf(mechanism), ending);
    }
    tell(`unchanged: ${file}: ${[...new Set(found.map(({ how }) => how))].join(", ")}`);
  }
  return endings;
}

async function takeOut(copy: ProjectCopy, mechanism: Mechanism): Promise<Judgement> {
  const { edits, test } = mechanism;
  try {
    const [ending] = await copy.with(edits, () => copy.run(test.file, [test.name]));
    if (ending?.how === "failed") return { mechanism, verdict: "caught", why: ending.said ?? "" };
    if (ending?.how === "passed") return { mechanism, verdict: "SURVIVED", why: "" };
    return { mechanism, verdict: "WRONG", why: `no test could be run: ${ending?.said}` };
  } catch (error) {
    return { mechanism, verdict: "WRONG", why: messageOf(error) };
  }
}

function unfit(mechanism: Mechanism, before: Ending | undefined): Judgement {
  if (before?.how === "skipped") return { mechanism, verdict: "may not run here", why: "" };
  const why =
    before?.how === "failed" ? "the test fails with everything in place" : "no such test could be run";
  return { mechanism, verdict: "WRONG", why: `${why}: ${before?.said ?? ""}` };
}

function conclude(judgements: readonly Judgement[], tell: (line: string) => void): number {
  tell("");
  for (const judgement of judgements) tell(lineOf(judgement));
  const verdicts = ["caught", "SURVIVED", "WRONG", "may not run here"] as const;
  const counts = verdicts.map((one) => judgements.filter(({ verdict }) => verdict === one).length);
  tell(verdicts.map((verdict, index) => `${verdict}: ${counts[index]}`).join(", "));
  const [caught = 0, survived = 0, wrong = 0] = counts;
  return survived + wrong > 0 || caught === 0 ? 1 : 0;
}

function lineOf({ mechanism: { promise, edits, test }, verdict, why }: Judgement): string {
  const what = edits.map(({ file, find }) => `${file}: ${shortened(find)}`).join(" and ");
  return [verdict.padEnd(8), promise, what, `${test.file} "${test.name}"`, shortened(why)].join(" | ");
}

function shortened(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim().slice(0, 100);
}

function keyOf({ test: { file, name } }: Mechanism): string {
  return `${file} ${name}`;
}
