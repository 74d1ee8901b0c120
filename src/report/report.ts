/*
 * What a run says of itself. `RunReport` is the one object that `--json` prints, the API returns and Redis
 * keeps.
 */

/** What happened to a target. `changed`: the world moved on since it was looked at, so it was left alone. */
export type Outcome = "done" | "planned" | "kept" | "changed" | "failed";

export const outcomes = ["done", "planned", "kept", "changed", "failed"] as const satisfies Outcome[];

/** What came of an action. */
export type Effect =
  | { readonly outcome: "done" | "planned"; readonly bytes: number; readonly reason?: string }
  | { readonly outcome: "kept" | "changed" | "failed"; readonly reason: string };

export interface Item {
  /** A path relative to the root, `celery-workers (pid 4242)`, or `telegram_message:* (db 0)`. */
  readonly target: string;
  readonly outcome: Outcome;
  readonly reason?: string;
  /** It is a process that no pid file leads to, found by its command line alone. */
  readonly stray?: true;
  /** Of a stray: how it was started, shortened and without passwords. */
  readonly command?: string;
}

/** What is to be known of a process that no pid file leads to. */
export type StrayFacts = Required<Pick<Item, "stray" | "command">>;

/** How many targets ended in each outcome, and the bytes freed (in a plan: that would be freed). */
export type Totals = Record<Outcome, number> & { bytes: number };

export type JobStatus = "done" | "partial" | "failed" | "skipped" | "missing";

/** How the scan for one rule of Redis went. */
export interface Scan {
  /** As the items of the rule name it. */
  readonly target: string;
  /** All keys that were passed, and of these the ones that match the rule. */
  readonly keys: number;
  readonly matched: number;
  /** In a plan: that would be removed. */
  readonly removed: number;
  /** Measured, of every sixteenth where they are many. */
  readonly bytes: number;
  /** Script calls, and for how long the longest held Redis. */
  readonly pages: number;
  readonly worstPageMs: number;
  readonly durationMs: number;
  readonly keysPerSecond: number;
  /** Something that an operator should know. */
  readonly note?: string;
}

export interface JobReport {
  readonly job: string;
  readonly host: string;
  readonly status: JobStatus;
  /** Why the status is not `done`. */
  readonly reason?: string;
  readonly durationMs: number;
  readonly totals: Totals;
  /** At most 1,000 per outcome; `totals` counts all. */
  readonly items: readonly Item[];
  readonly truncated: boolean;
  /** Only of `prune-redis`. */
  readonly scans?: readonly Scan[];
}

/** What `check-system` saw of a host beside its services. Ages in days, rounded down; sizes in bytes. */
export interface HostState {
  readonly redis: {
    readonly reachable: boolean;
    readonly usedMemoryBytes?: number;
    readonly reason?: string;
  };
  /** `ageMs` is `null` where the lock could not be looked at; then `holder` says why. */
  readonly locks: readonly {
    readonly file: string;
    readonly ageMs: number | null;
    readonly holder: string;
  }[];
  readonly session: {
    readonly file: string;
    readonly present: boolean;
    readonly ageDays?: number;
    readonly advice?: string;
  } | null;
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number };
}

/** What `check-system` saw. */
export interface System extends HostState {
  readonly services: readonly {
    readonly name: string;
    readonly running: readonly {
      readonly pid: number;
      readonly host?: string;
      readonly stray?: true;
      readonly command?: string;
    }[];
    /** Only in a report of several hosts: where nothing of it runs, and where nobody looked. */
    readonly stoppedOn?: readonly string[];
    readonly unknownOn?: readonly string[];
  }[];
  /** Only in a report of several hosts: whose `redis`, `locks`, `session` and `disk` these are. */
  readonly host?: string;
  /** Only in a report of several hosts: the same of the other hosts that looked. */
  readonly others?: readonly (HostState & { readonly host: string })[];
}

export type Mode = "plan" | "apply";
export type Verdict = "done" | "partial" | "failed" | "refused";

export interface RunReport {
  readonly version: 1;
  readonly run: string;
  readonly flow: string;
  readonly mode: Mode;
  readonly engine: "queue" | "inline";
  readonly app: string;
  readonly verdict: Verdict;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly hosts: readonly string[];
  /** Hosts that were asked for and have no live worker, or lost it on the way. */
  readonly unreachable: readonly string[];
  readonly jobs: readonly JobReport[];
  /** `null` when the flow has no `check-system`. */
  readonly system: System | null;
  readonly nextSteps: readonly string[];
}

export function noTotals(): Totals {
  return { done: 0, planned: 0, kept: 0, changed: 0, failed: 0, bytes: 0 };
}
