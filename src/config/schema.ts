import { z } from "zod";
import { listOf, text } from "./lengths.ts";
import { duration, ownShare, share, size } from "./quantities.ts";
import { durationOrSetting, redis, redisUrl, setting } from "./redis-schema.ts";

/*
 * The config file, as it is written. Every default stands here and nowhere else; `resolve.ts` turns the
 * parsed file into the `Config` that the code works with.
 */

/** Names go into Redis keys and job ids, where `:` `{` `}` have a meaning of their own. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** What a name is, for a message that says what was expected. */
export const NAME_IN_WORDS =
  'a name of letters, digits, ".", "_" and "-" (at most 63), starting with a letter or digit';
const name = z.string().regex(NAME, { error: `expected ${NAME_IN_WORDS}` });

const regularExpression = text.refine(compiles, {
  error: "expected a regular expression that JavaScript can compile",
});

function compiles(source: string): boolean {
  try {
    new RegExp(source);
    return true;
  } catch {
    return false;
  }
}

const glob = text.refine(isInsideRoot, {
  error: 'expected a glob relative to the root, without a leading "/" and without ".."',
});
const globs = z.union([glob, listOf(glob)], {
  error: "expected a glob, or a list of globs",
});
const relativePath = text.refine(isInsideRoot, {
  error: 'expected a path relative to the root, without a leading "/" and without ".."',
});

function isInsideRoot(path: string): boolean {
  return !path.startsWith("/") && !path.includes("\0") && !path.split("/").includes("..");
}

/** The largest uid; the one above it means "nobody at all" to the kernel (setreuid(2)). */
const LARGEST_UID = 4_294_967_294;
const userName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9._@-]{0,255}\$?$/, { error: "expected the name of a user, or a uid" });
const user = z.union([userName, z.int().min(0).max(LARGEST_UID)], {
  error: "expected the name of a user, or a uid",
});

const service = z.strictObject({
  name: name.meta({ description: "How reports name it." }),
  pidFiles: globs.meta({ description: "Globs; a pid file belongs to the first entry that claims it." }),
  matches: regularExpression.meta({ description: "What the command line of its process must match." }),
  user: user.optional().meta({
    description:
      "Whom its processes must belong to, by name or uid; others are never signalled. Default: anybody.",
  }),
  grace: duration.prefault("15s").meta({ description: "How long a warm shutdown may take." }),
  afterGrace: z
    .enum(["kill", "leave"])
    .default("kill")
    .meta({ description: "What happens after the grace." }),
  strays: z.enum(["report", "stop"]).default("report").meta({
    description: "Matching processes that work inside the root and have no pid file.",
  }),
});

const quarantine = duration.optional().meta({
  description:
    "Moved to .safe-shutdown/quarantine for so long instead of being removed; `restore` puts it back.",
});

const lockRule = z.strictObject({
  files: globs,
  olderThan: duration.prefault("5m").meta({ description: "A younger lock is kept, whoever holds it." }),
  quarantine,
  share: ownShare,
});

const tempFiles = z.strictObject({
  files: globs,
  olderThan: duration.prefault("0s"),
  unlessRunning: name.optional().meta({ description: "Kept unless this service is proved stopped." }),
  quarantine,
  share: ownShare,
});
const tempDirectories = z.strictObject({
  directories: globs.meta({ description: "Directories, removed as a unit." }),
  olderThan: duration.prefault("0s"),
  holding: listOf(glob).default(["*.pyc", "*.pyo", "*.pyc.*"]).meta({
    description: "Names it may hold; one that holds anything else is kept.",
  }),
  quarantine,
  share: ownShare,
});
const tempPidFiles = z.strictObject({
  pidFiles: globs.meta({ description: "Pid files, removed when their process is proved gone." }),
});
const tempRule = z.union([tempFiles, tempDirectories, tempPidFiles], {
  error: "expected a mapping with one of files, directories and pidFiles",
});

const session = z.strictObject({
  file: relativePath,
  adviseAfter: duration.prefault("14d"),
  warnAfter: duration.prefault("30d"),
});

const ownJob = z.strictObject({
  module: relativePath.meta({
    description: "A JavaScript module of the application whose default export is a job (see defineJob).",
  }),
  flows: listOf(z.enum(["shutdown", "stop", "clean"])).meta({ description: "The flows it takes part in." }),
  before: name.optional().meta({ description: "A stage of its own, before that of this job." }),
  after: name.optional().meta({ description: "A stage of its own, after that of this job." }),
  with: name.optional().meta({ description: "In the same stage as this job." }),
});

const scheduleEntry = z.strictObject({
  name,
  run: z.enum(["clean"]).meta({ description: "The flow to run." }),
  jobs: listOf(name).optional().meta({ description: "Only these jobs of the flow." }),
  cron: text,
  timezone: text.optional().meta({ description: "Default: the worker's own time zone." }),
  maxRandomDelay: duration.prefault("0s").meta({
    description: "A run starts up to this much later, at random, so that a fleet does not start in step.",
  }),
});

const limits = z.strictObject({
  files: z.int().positive().default(1_000_000).meta({ description: "Files one job may remove." }),
  keys: z
    .int()
    .positive()
    .default(100_000_000)
    .meta({ description: "Keys one job may remove, finished jobs of BullMQ queues among them." }),
  bytes: size.optional().meta({ description: "Bytes one job may remove; any amount unless given." }),
  share: share.prefault("100%").meta({
    description:
      "How many of the candidates of a rule may go; when it would be more (of 10 candidates and above), the job removes nothing.",
  }),
});

/** What the preserve list is when the config does not name one. It wins over every rule. */
const PRESERVED = [
  "*.session",
  "*.session-journal",
  "*.session-wal",
  "*.session-shm",
  "config/**",
  "data/**",
  "backups/**",
  "**/*.log",
];

export const configFileSchema = z
  .strictObject({
    $schema: z.string().optional(),
    app: name.meta({ description: "The application's name; part of every Redis key and run." }),
    services: z.array(service).default([]).meta({ description: "Stopped in this order." }),
    locks: z.array(lockRule).default([]),
    redis: redis.prefault({}),
    queue: z.strictObject({ url: redisUrl.optional() }).prefault({}).meta({
      description: "Where runs are queued, if not in redis.url.",
    }),
    temp: z.array(tempRule).default([]),
    preserve: z.array(glob).default(PRESERVED).meta({
      description: "Never removed, whatever a rule says. A glob without a slash matches at any depth.",
    }),
    session: session.optional(),
    jobs: z.array(ownJob).default([]).meta({ description: "Jobs of the application's own." }),
    schedule: z.array(scheduleEntry).default([]),
    limits: limits.prefault({}),
    pidNamespace: z.enum(["auto", "trusted"]).default("auto").meta({
      description:
        "In a container with its own pid namespace no lock can be called free and no process gone, since those outside cannot be seen; trusted: none of them belongs to this application.",
    }),
    stageDeadline: duration.prefault("15m").meta({
      description: "After it, a host that has not finished a stage is reported and the run goes on.",
    }),
    workerGrace: duration.prefault("25s").meta({
      description: "How long a worker that is asked to stop may finish its current jobs.",
    }),
    nextSteps: z.array(z.string()).default([]),
  })
  .meta({ title: "safe-shutdown", description: "What may be stopped and cleaned, and within which limits." });

/** A config file after parsing: defaults filled in, durations in milliseconds. */
export type ConfigFile = z.output<typeof configFileSchema>;

/** Parts of the schema, for checks that run on a file other parts of which are invalid. */
export const configParts = {
  session,
  setting,
  olderThan: durationOrSetting,
  brokerQueues: redis.shape.brokerQueues,
};
/** Where in the application's own config to find a duration. */
export type Setting = z.output<typeof setting>;
