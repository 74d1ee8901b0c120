/*
 * The config as the code works with it: patterns as lists, expressions compiled, durations in milliseconds,
 * settings looked up. Built by `loadConfig`; read-only.
 */

/** One service of the application; its processes are found by pid file and proved by command line. */
export interface Service {
  readonly name: string;
  readonly pidFiles: readonly string[];
  readonly matches: RegExp;
  /** A name or a uid: whom its processes must belong to; `undefined`: to anybody. */
  readonly user: string | number | undefined;
  readonly graceMs: number;
  readonly afterGrace: "kill" | "leave";
  readonly strays: "report" | "stop";
}

interface LockRule {
  readonly patterns: readonly string[];
  readonly olderThanMs: number;
  /** Moved to quarantine for so long instead of removed. */
  readonly quarantineMs: number | undefined;
  /** How many of its candidates may go; 100: all. */
  readonly sharePercent: number;
}

/** One way to prove a key's age. See src/system/age-script.ts. */
export type AgeRung =
  | { readonly kind: "ttl"; readonly initialMs: number }
  | { readonly kind: "idle" }
  | { readonly kind: "json"; readonly path: readonly string[] }
  | { readonly kind: "value"; readonly format: "epoch" | "iso" }
  /** Counted from 1, between colons. */
  | { readonly kind: "keyPart"; readonly index: number }
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "score" }
  | { readonly kind: "lastId" };

export interface PruneRule {
  /** A Redis glob. */
  readonly keys: string;
  /** Only keys of this type; `undefined`: all but lists and streams. */
  readonly type: "string" | "hash" | "set" | "zset" | "list" | "stream" | undefined;
  readonly url: string;
  readonly db: number;
  readonly olderThanMs: number;
  readonly age: readonly AgeRung[];
  readonly withoutTtl: "keep" | "expire";
  readonly sharePercent: number;
}

/** Finished jobs of a BullMQ queue of the application's own. */
export interface QueueRule {
  readonly queue: string;
  readonly prefix: string;
  readonly states: readonly ("completed" | "failed")[];
  readonly olderThanMs: number;
  readonly url: string;
  readonly db: number;
}

export type TempRule =
  | {
      readonly kind: "files";
      readonly patterns: readonly string[];
      readonly olderThanMs: number;
      /** Keep unless the service of this name is proved stopped. */
      readonly unlessRunning: string | undefined;
      readonly quarantineMs: number | undefined;
      readonly sharePercent: number;
    }
  | {
      readonly kind: "directories";
      readonly patterns: readonly string[];
      readonly olderThanMs: number;
      /** Globs of the names such a directory may hold. */
      readonly holding: readonly string[];
      readonly quarantineMs: number | undefined;
      readonly sharePercent: number;
    }
  | { readonly kind: "pidFiles"; readonly patterns: readonly string[] };

/** A job that the application brings along, and its place in a flow: beside another job's stage, or in it. */
export interface OwnJob {
  /** Relative to the root. */
  readonly module: string;
  readonly flows: readonly ("shutdown" | "stop" | "clean")[];
  readonly where: "before" | "after" | "with";
  /** The name of the other job. */
  readonly anchor: string;
}

export interface ScheduleEntry {
  readonly name: string;
  readonly flow: "clean";
  readonly jobs: readonly string[] | undefined;
  readonly cron: string;
  readonly timezone: string | undefined;
  readonly maxRandomDelayMs: number;
}

export interface Config {
  readonly app: string;
  /** This host's name. */
  readonly host: string;
  /** The real, absolute path of the application's root. */
  readonly root: string;
  /** The config file, relative to the root where it lies inside; `undefined`: the built-in policy. */
  readonly file: string | undefined;
  /** Changes when anything in the config changes; tells whether two workers agree. */
  readonly fingerprint: string;
  readonly services: readonly Service[];
  readonly locks: readonly LockRule[];
  readonly redis: {
    readonly url: string;
    readonly latencyBudgetMs: number;
    readonly maxKeysPerSecond: number | undefined;
    readonly brokerQueues: readonly string[];
    readonly prune: readonly PruneRule[];
    readonly queues: readonly QueueRule[];
  };
  readonly queue: { readonly url: string };
  readonly temp: readonly TempRule[];
  /** What is in quarantine: its end is limited like the removals of a rule, or a clock that jumped would empty it. */
  readonly quarantine: { readonly patterns: readonly string[]; readonly sharePercent: number };
  readonly preserve: readonly string[];
  readonly session:
    | { readonly file: string; readonly adviseAfterMs: number; readonly warnAfterMs: number }
    | undefined;
  readonly jobs: readonly OwnJob[];
  readonly schedule: readonly ScheduleEntry[];
  /** What one job may remove; `bytes` of `undefined`: any amount. The share is in each rule. */
  readonly limits: { readonly files: number; readonly keys: number; readonly bytes: number | undefined };
  readonly pidNamespace: "auto" | "trusted";
  readonly stageDeadlineMs: number;
  readonly workerGraceMs: number;
  readonly nextSteps: readonly string[];
}
