import { formatDuration } from "../src/config/duration.ts";
import type { Contents } from "../src/system/contents.ts";
import type { FileEntry } from "../src/system/file-entry.ts";
import type { Judge } from "../src/system/judge.ts";
import { type Matcher, matcherOf } from "../src/system/patterns.ts";

/*
 * The policy of `clean-temp-files` for whatever no process has to be asked about. It is followed by the job, and by its
 * sweepers (`temp-sweeper-program.ts`), which load this file and what it imports: little.
 */

/** A lock is judged by who holds it, not by its age alone. */
export const LOCK = "a lock, which clean-session-locks looks after";

interface Circumstances {
  readonly isLock: Matcher;
  readonly nowMs: number;
  /** The pid of a process that has it open. */
  readonly openedBy: (file: FileEntry) => number | undefined;
}

/** Why something stays, in the order an operator would check it; `contents` of what goes as a unit. `undefined`: safe to remove. */
export function plainReasonToKeep(
  entry: FileEntry,
  contents: Contents | undefined,
  rule: { readonly olderThanMs: number },
  { isLock, nowMs, openedBy }: Circumstances,
): string | undefined {
  if (isLock(entry.path)) return LOCK;
  if (contents === undefined) return reasonToKeepFile(entry, rule, nowMs, () => openedBy(entry));
  const { files, obstacle } = contents;
  const lock = files.find(({ path }) => isLock(path));
  if (lock !== undefined) return `${lock.path} in it is ${LOCK}`;
  return obstacle ?? reasonToKeepDirectory(entry, files, rule, nowMs, openedBy);
}

/** The policy for a file, in the order an operator would check it. `undefined`: safe to remove. */
export function reasonToKeepFile(
  file: Pick<FileEntry, "kind" | "modifiedAtMs">,
  rule: { readonly olderThanMs: number },
  nowMs: number,
  openedBy: () => number | undefined,
): string | undefined {
  if (file.kind !== "file") return "it is not a regular file";
  const young = reasonOfAge(file.modifiedAtMs, rule.olderThanMs, nowMs);
  if (young !== undefined) return young;
  const pid = openedBy();
  return pid === undefined ? undefined : `pid ${pid} has it open`;
}

/** A directory is as old as what was last changed in it. */
function reasonToKeepDirectory(
  directory: FileEntry,
  files: readonly FileEntry[],
  rule: { readonly olderThanMs: number },
  nowMs: number,
  openedBy: (file: FileEntry) => number | undefined,
): string | undefined {
  const newestMs = files.reduce(
    (newest, file) => Math.max(newest, file.modifiedAtMs),
    directory.modifiedAtMs,
  );
  const young = reasonOfAge(newestMs, rule.olderThanMs, nowMs);
  if (young !== undefined) return young;
  const opened = files.find((file) => openedBy(file) !== undefined);
  return opened && `${opened.path} in it is open`;
}

function reasonOfAge(modifiedAtMs: number, olderThanMs: number, nowMs: number): string | undefined {
  const ageMs = nowMs - modifiedAtMs;
  return olderThanMs > 0 && ageMs < olderThanMs ? `only ${formatDuration(ageMs)} old` : undefined;
}

/** What a sweeper must know to judge as the job would. */
export interface TempFacts {
  readonly lockPatterns: readonly string[];
  /** Of each rule, in their order; `undefined`: only the job can tell. */
  readonly rules: readonly ({ readonly olderThanMs: number } | undefined)[];
  /** What may be open: by its inode, in digits, or by its path. Which process it is, only the job can tell. */
  readonly open: { readonly inodes: ReadonlySet<string>; readonly paths: ReadonlySet<string> };
}

/** The same policy for a sweeper. What a process may have open, it leaves to the job. */
export function judgeOf({ lockPatterns, rules, open }: TempFacts): Judge {
  const isLock = matcherOf(lockPatterns);
  const mayBeOpen = ({ inode, path }: FileEntry) => open.inodes.has(`${inode}`) || open.paths.has(path);
  return (entry, contents, index, nowMs) => {
    const rule = rules[index];
    if (rule === undefined) return "ask";
    let isInDoubt = false;
    const openedBy = (file: FileEntry) => {
      if (!mayBeOpen(file)) return undefined;
      isInDoubt = true;
      return 0;
    };
    const reason = plainReasonToKeep(entry, contents, rule, { isLock, nowMs, openedBy });
    if (isInDoubt) return "ask";
    return reason === undefined ? "goes" : { reason };
  };
}
