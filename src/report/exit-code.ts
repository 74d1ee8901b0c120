import { exitCodeOf } from "../errors.ts";
import type { RunReport, Verdict } from "./report.ts";

const byVerdict: Record<Verdict, number> = {
  done: 0,
  partial: exitCodeOf.partial,
  failed: exitCodeOf.unexpected,
  refused: exitCodeOf.refused,
};

/** The process exit code of a finished run: the table is in the README. */
export function exitCodeOfRun({ verdict }: Pick<RunReport, "verdict">): number {
  return byVerdict[verdict];
}
