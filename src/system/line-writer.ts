import type { FileEntry } from "./file-entry.ts";
import type { ManifestLine } from "./manifest-line.ts";

/* Apart from what reads them: sweepers write lines, too, and load nothing that they do not need. */

/** What a job says of a removal besides what was observed. */
export type ManifestFacts = Pick<ManifestLine, "at" | "job" | "host" | "reason" | "quarantine">;

/** What a directory takes along that has one line for all. */
type Whole = Required<Pick<ManifestLine, "freesBytes" | "files">>;

/** Writes the line of a removal. */
export type LineWriter = (entry: FileEntry, whole?: Whole) => string;

/** Writes the lines of removals that have these facts in common: what they share is rendered once. */
export function lineWriter({ at, job, host, reason, quarantine }: ManifestFacts): LineWriter {
  const before = JSON.stringify({ at, job, host }).slice(0, -1);
  const after = JSON.stringify({ reason, quarantine }).slice(1);
  return ({ kind, path, sizeBytes, freesBytes, modifiedAtMs, inode }, whole) => {
    const exact = typeof inode === "bigint" ? `"${inode}"` : inode;
    const frees = whole?.freesBytes ?? freesBytes;
    const given = frees === sizeBytes ? "" : `"freesBytes":${frees},`;
    const held = whole === undefined ? "" : `"files":${whole.files},`;
    return `${before},"kind":"${kind}","path":${JSON.stringify(path)},"sizeBytes":${sizeBytes},${given}${held}"modifiedAtMs":${modifiedAtMs},"inode":${exact},${after}\n`;
  };
}
