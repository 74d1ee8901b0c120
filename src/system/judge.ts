import type { Contents } from "./contents.ts";
import type { FileEntry } from "./file-entry.ts";

/** What is to be done with something that a rule means. `ask`: only the job can tell. */
type Verdict = "goes" | "ask" | { readonly reason: string };

/** A policy that a sweeper can follow: pure, and sure of what it says. `rule` is its place in the list. */
export type Judge = (
  entry: FileEntry,
  contents: Contents | undefined,
  rule: number,
  nowMs: number,
) => Verdict;

/** What makes judges of sweepers. */
export interface Policy {
  /** Their program, without the ending of its name; it calls `sweepOnOrder`. */
  readonly program: URL;
  /** What it must know; goes to another process, so it holds no functions. */
  readonly facts: unknown;
  /** Why what a rule means goes, for the manifest; by the rule's place in the list. */
  readonly reasons: readonly string[];
  /** How many of what stays the report still names. */
  readonly namesWanted: () => number;
}
