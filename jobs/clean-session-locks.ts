import { z } from "zod";
import { formatDuration } from "../src/config/duration.ts";
import type { Condemned, FileEntry } from "../src/system/files.ts";
import type { Holder } from "../src/system/locks.ts";
import { defineJob, type JobContext } from "./job.ts";

export const cleanSessionLocks = defineJob({
  name: "clean-session-locks",
  summary: "Remove session locks that nobody holds any more.",
  runsOn: "every host",
  input: z.strictObject({}),
  async run(_input, context) {
    const { files, report } = context;
    for await (const { condemned, effect } of files.remove(staleLocks(context))) {
      report.add(condemned.entry.path, { reason: condemned.reason, ...effect });
    }
  },
});

async function* staleLocks({ config, files, locks, clock, report }: JobContext): AsyncGenerator<Condemned> {
  for await (const { rule, path, entry, kept } of files.find(config.locks)) {
    if (entry === undefined) {
      report.kept(path, kept);
      continue;
    }
    const ageMs = clock.now() - entry.modifiedAtMs;
    const why = (holderOf: () => Holder) => reasonToKeep(entry, ageMs, rule.olderThanMs, holderOf);
    const reason = why(() => locks.holderOf(entry));
    if (reason !== undefined) report.kept(path, reason);
    else
      yield {
        entry,
        rule,
        reason: `stale: ${formatDuration(ageMs)} old, held by nobody`,
        quarantineMs: rule.quarantineMs,
        // what all locks were judged by may be a moment old: the last look is for this one alone
        lastLook: () => why(() => locks.holderNow(entry)),
      };
  }
}

/** The whole policy, in the order an operator would check it. `undefined`: safe to remove. */
export function reasonToKeep(
  file: Pick<FileEntry, "kind">,
  ageMs: number,
  olderThanMs: number,
  holderOf: () => Holder,
): string | undefined {
  if (file.kind !== "file" && file.kind !== "link") return "it is neither a regular file nor a link";
  if (ageMs < olderThanMs) return `only ${formatDuration(ageMs)} old`;
  const holder = holderOf();
  const age = `${formatDuration(ageMs)} old`;
  if (holder.state === "live") return `held by pid ${holder.pid} (${holder.how}), ${age}`;
  if (holder.state === "unknown") return `cannot tell whether it is held: ${holder.why}; ${age}`;
  return undefined;
}
