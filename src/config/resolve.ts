import { createHash } from "node:crypto";
import { alwaysPreserved } from "./always-preserved.ts";
import type {
  AgeRung,
  Config,
  OwnJob,
  PruneRule,
  QueueRule,
  ScheduleEntry,
  Service,
  TempRule,
} from "./config.ts";
import { redactText } from "./redact.ts";
import { databaseOf } from "./redis-url.ts";
import type { ConfigFile } from "./schema.ts";

/** What a config file does not say itself. */
export interface Surroundings {
  readonly root: string;
  readonly host: string;
  readonly file: string | undefined;
  /** Takes the place of `redis.url`. */
  readonly redisUrl: string | undefined;
  /** The value in milliseconds of the setting at `redis.prune[index].olderThan`. */
  readonly settingMs: (pruneIndex: number) => number;
}

/** Where an own job may stand, seen from another job. */
const PLACES = ["before", "after", "with"] as const;

type Written<List extends readonly unknown[]> = List[number];

/** The config as the code works with it, from a file that was checked. */
export function resolveConfig(written: ConfigFile, around: Surroundings): Config {
  const url = around.redisUrl ?? written.redis.url;
  const { latencyBudget, maxKeysPerSecond, brokerQueues, prune } = written.redis;
  const { files, keys, bytes, share } = written.limits;
  const policy = {
    app: written.app,
    services: written.services.map(serviceOf),
    locks: written.locks.map((rule) => ({
      patterns: listed(rule.files),
      olderThanMs: rule.olderThan,
      ...carefulOf(rule, share),
    })),
    redis: {
      url,
      latencyBudgetMs: latencyBudget,
      maxKeysPerSecond,
      brokerQueues,
      prune: prune.flatMap((rule, index) =>
        "keys" in rule ? [pruneRuleOf(rule, url, () => around.settingMs(index), share)] : [],
      ),
      queues: prune.flatMap((rule, index) =>
        "bullmq" in rule ? [queueRuleOf(rule, url, () => around.settingMs(index))] : [],
      ),
    },
    queue: { url: written.queue.url ?? url },
    temp: written.temp.map((rule) => tempRuleOf(rule, share)),
    quarantine: { patterns: [".safe-shutdown/quarantine"], sharePercent: share },
    preserve: [...new Set([...written.preserve, ...alwaysPreserved(written.session?.file, around.file)])],
    session: written.session && {
      file: written.session.file,
      adviseAfterMs: written.session.adviseAfter,
      warnAfterMs: written.session.warnAfter,
    },
    jobs: written.jobs.map(ownJobOf),
    schedule: written.schedule.map(scheduleEntryOf),
    limits: { files, keys, bytes },
    pidNamespace: written.pidNamespace,
    stageDeadlineMs: written.stageDeadline,
    workerGraceMs: written.workerGrace,
    nextSteps: written.nextSteps,
  };
  const { root, host, file } = around;
  return { ...policy, root, host, file, fingerprint: fingerprintOf(policy) };
}

function serviceOf(written: Written<ConfigFile["services"]>): Service {
  return {
    name: written.name,
    pidFiles: listed(written.pidFiles),
    matches: new RegExp(written.matches),
    user: written.user,
    graceMs: written.grace,
    afterGrace: written.afterGrace,
    strays: written.strays,
  };
}

type WrittenRule = Written<ConfigFile["redis"]["prune"]>;
type WrittenKeys = Extract<WrittenRule, { keys: string }>;

function queueRuleOf(
  written: Extract<WrittenRule, { bullmq: string }>,
  appUrl: string,
  settingMs: () => number,
): QueueRule {
  const url = written.url ?? appUrl;
  return {
    queue: written.bullmq,
    prefix: written.prefix,
    states: written.states,
    olderThanMs: typeof written.olderThan === "number" ? written.olderThan : settingMs(),
    url,
    db: written.db ?? databaseOf(url),
  };
}

function pruneRuleOf(
  written: WrittenKeys,
  appUrl: string,
  settingMs: () => number,
  share: number,
): PruneRule {
  const url = written.url ?? appUrl;
  return {
    keys: written.keys,
    type: written.type,
    url,
    db: written.db ?? databaseOf(url),
    olderThanMs: typeof written.olderThan === "number" ? written.olderThan : settingMs(),
    age: written.age.map(ageRungOf),
    withoutTtl: written.withoutTtl,
    sharePercent: written.share ?? share,
  };
}

function ageRungOf(written: Written<WrittenKeys["age"]>): AgeRung {
  if (typeof written === "string") return { kind: written };
  if ("ttl" in written) return { kind: "ttl", initialMs: written.ttl };
  if ("json" in written) return { kind: "json", path: written.json.split(".") };
  if ("value" in written) return { kind: "value", format: written.value };
  if ("keyPart" in written) return { kind: "keyPart", index: written.keyPart };
  return { kind: "field", name: written.field };
}

function tempRuleOf(written: Written<ConfigFile["temp"]>, share: number): TempRule {
  if ("pidFiles" in written) return { kind: "pidFiles", patterns: listed(written.pidFiles) };
  const common = { olderThanMs: written.olderThan, ...carefulOf(written, share) };
  return "files" in written
    ? { kind: "files", patterns: listed(written.files), unlessRunning: written.unlessRunning, ...common }
    : { kind: "directories", patterns: listed(written.directories), holding: written.holding, ...common };
}

/** `share` is that of `limits`, which a rule may override. */
function carefulOf(
  written: { quarantine?: number | undefined; share?: number | undefined },
  share: number,
): { quarantineMs: number | undefined; sharePercent: number } {
  return { quarantineMs: written.quarantine, sharePercent: written.share ?? share };
}

/** That it names exactly one place was checked before. */
function ownJobOf({ module, flows, ...places }: Written<ConfigFile["jobs"]>): OwnJob {
  const where = PLACES.find((one) => places[one] !== undefined) ?? "after";
  return { module, flows, where, anchor: places[where] ?? "" };
}

function scheduleEntryOf(written: Written<ConfigFile["schedule"]>): ScheduleEntry {
  const { name, run, jobs, cron, timezone, maxRandomDelay } = written;
  return { name, flow: run, jobs, cron, timezone, maxRandomDelayMs: maxRandomDelay };
}

function listed(globs: string | string[]): string[] {
  return [globs].flat();
}

/** 12 hex digits of the SHA-256 of the policy: no host, no paths of this machine, no passwords. */
function fingerprintOf(policy: unknown): string {
  return createHash("sha256").update(JSON.stringify(policy, canonical)).digest("hex").slice(0, 12);
}

function canonical(key: string, value: unknown): unknown {
  if (value instanceof RegExp) return value.source;
  if (key === "url" && typeof value === "string") return redactText(value);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
