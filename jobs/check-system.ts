import { z } from "zod";
import { formatDuration } from "../src/config/duration.ts";
import { messageOf } from "../src/errors.ts";
import { commandText } from "../src/report/command.ts";
import type { System } from "../src/report/report.ts";
import type { Holder } from "../src/system/locks.ts";
import { defineJob, type JobContext } from "./job.ts";

const DAY_MS = 86_400_000;

export const checkSystem = defineJob({
  name: "check-system",
  summary: "Look at what is running and what is left. Changes nothing.",
  runsOn: "every host",
  input: z.strictObject({}),
  async run(_input, context) {
    context.report.saw({
      services: await services(context),
      redis: await redis(context),
      locks: await locks(context),
      session: session(context),
      disk: context.files.diskUsage(),
    });
  },
});

/** A process that two pid files name is listed once. */
async function services({ processes }: JobContext): Promise<System["services"]> {
  return (await processes.survey()).map(({ service, pidFiles, strays }) => {
    const pids = pidFiles.flatMap((finding) => (finding.state === "running" ? [finding.process.pid] : []));
    return {
      name: service.name,
      running: [
        ...[...new Set(pids)].map((pid) => ({ pid })),
        ...strays.map(({ pid, commandLine }) => ({
          pid,
          stray: true as const,
          command: commandText(commandLine),
        })),
      ],
    };
  });
}

async function redis({ redis, config }: JobContext): Promise<System["redis"]> {
  try {
    const { usedMemoryBytes } = await redis.stateOf(config.redis.url);
    return { reachable: true, usedMemoryBytes };
  } catch (error) {
    return { reachable: false, reason: messageOf(error) };
  }
}

/** What is preserved is no lock of ours to judge, such as a package manager's `poetry.lock`. */
async function locks({ files, locks, config, clock }: JobContext): Promise<System["locks"]> {
  const found: System["locks"][number][] = [];
  for await (const { path, entry, kept, preserved } of files.find(config.locks)) {
    if (preserved) continue;
    if (entry === undefined) found.push({ file: path, ageMs: null, holder: kept });
    else {
      const ageMs = Math.max(0, clock.now() - entry.modifiedAtMs);
      found.push({ file: path, ageMs, holder: describeHolder(locks.holderOf(entry)) });
    }
  }
  return found;
}

function describeHolder(holder: Holder): string {
  if (holder.state === "live") return `pid ${holder.pid} (${holder.how})`;
  return holder.state === "free" ? "nobody" : `unknown: ${holder.why}`;
}

/** An old session may be refused by the service it logs in to: better renewed in time. */
function session({ files, config, clock }: JobContext): System["session"] {
  if (config.session === undefined) return null;
  const { file, adviseAfterMs, warnAfterMs } = config.session;
  const entry = files.look(file);
  if (entry === undefined) return { file, present: false };
  const ageMs = clock.now() - entry.modifiedAtMs;
  const age = { file, present: true, ageDays: Math.max(0, Math.floor(ageMs / DAY_MS)) };
  if (ageMs >= warnAfterMs)
    return { ...age, advice: `older than ${formatDuration(warnAfterMs)}: renew it now` };
  if (ageMs >= adviseAfterMs)
    return { ...age, advice: `older than ${formatDuration(adviseAfterMs)}: renew it soon` };
  return age;
}
