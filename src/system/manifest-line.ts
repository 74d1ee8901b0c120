import { z } from "zod";
import { text } from "../config/lengths.ts";

/*
 * One removal, as the manifest of a run holds it: a line of JSON. JSON escapes line breaks and control characters,
 * so that no file name can forge a line.
 */

const line = z.object({
  /** When it was judged or written, both before the removal: ISO 8601, UTC. */
  at: z.iso.datetime(),
  job: z.string(),
  host: z.string(),
  kind: z.enum(["file", "directory", "link", "other"]),
  /** Relative to the root. */
  path: text.refine(isBelowRoot),
  sizeBytes: z.number(),
  /** What its removal gives back, as limits count it; absent: its size. */
  freesBytes: z.number().optional(),
  /** How many files a directory holds that is moved to quarantine as a unit, which has no lines for them. */
  files: z.number().optional(),
  modifiedAtMs: z.number(),
  /** To the last digit: above 2^53 in quotes, or readers of JSON would round it. */
  inode: z.union([z.number(), z.string().regex(/^\d+$/)]),
  /** Why it went. */
  reason: z.string(),
  /** Its name in the quarantine of the run, where it was moved to instead of being removed. */
  quarantine: z
    .string()
    .regex(/^\d{8}T\d{6}Z-[^/\0]+$/)
    .optional(),
});

function isBelowRoot(path: string): boolean {
  return !path.startsWith("/") && !path.includes("\0") && !path.split("/").includes("..");
}

export type ManifestLine = z.output<typeof line>;

/** The lines of a manifest; `torn` counts those that a crash or a full disk cut off: nothing of them was removed. */
export function parseLines(text: string): { lines: ManifestLine[]; torn: number } {
  const lines: ManifestLine[] = [];
  let torn = 0;
  for (const written of text.split("\n")) {
    if (written === "") continue;
    const parsed = parseLine(written);
    if (parsed === undefined) torn += 1;
    else lines.push(parsed);
  }
  return { lines, torn };
}

function parseLine(written: string): ManifestLine | undefined {
  try {
    return line.safeParse(JSON.parse(written)).data;
  } catch {
    return undefined; // not even JSON
  }
}
