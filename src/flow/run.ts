import { formatDuration } from "../config/duration.ts";
import { SafeShutdownError } from "../errors.ts";
import type { RunReport } from "../report/report.ts";
import type { RunView } from "./view.ts";

/** How a run is followed. */
export interface FollowOptions {
  /** Told, several times a second, where the run stands. */
  readonly onView?: (view: RunView) => void;
  /** Told, in a sentence, when Redis is lost on the way, and what comes of it. */
  readonly onTrouble?: (what: string) => void;
  /** In milliseconds. After it `report` throws `partial`, and the run goes on. Default: never. */
  readonly withinMs?: number;
  /** Ends the following, not the run: `report` then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A run that goes on. */
export interface Run {
  readonly id: string;
  readonly engine: "queue" | "inline";
  /** Why it takes place in this process, without the queue, though that was not asked for. */
  readonly because?: string | undefined;
  /** It was already going on when this process asked for it. */
  readonly attached: boolean;
  /**
   * Waits for the report. When Redis is lost for two minutes while this process is the worker of the run, and only for as
   * long as it takes, the rest is done here, without it. Throws `redis-unreachable` when a worker that stays, or another
   * process, has the run, `unexpected` when the run was lost or its report is no longer kept, `refused` when a worker refused to begin it, `partial` when it goes on longer
   * than `withinMs`, `interrupted` when it was cancelled and Redis was lost before it ended.
   */
  report(options?: FollowOptions): Promise<RunReport>;
  /**
   * Asks it to stop after its current items. Throws `usage` when it has ended, and `redis-unreachable` when Redis cannot
   * be told: whoever follows the run with this object then tells it as soon as it is back.
   */
  cancel(): Promise<void>;
}

/** What became of a run that has no report. */
export function withoutReport(run: string, reason: string): SafeShutdownError {
  const code = reason.startsWith("refused:") ? "refused" : "unexpected";
  return new SafeShutdownError(code, `${run} has no report: ${reason}`);
}

/** Redis was told of a run, and did not answer: it is not known whether it will carry it out. */
export function perhapsQueued(run: string): SafeShutdownError {
  const what = `Redis was lost while ${run} was put into the queue: it may be run yet`;
  return new SafeShutdownError("redis-unreachable", `${what}. When it is back: safe-shutdown runs ${run}`);
}

/** Nobody in this process can do the rest. */
export function lostWhileFollowed(run: string): SafeShutdownError {
  const later = `When it is back: safe-shutdown runs ${run}`;
  const now = "Here and now, without the queue: the same command with --inline";
  return new SafeShutdownError(
    "redis-unreachable",
    `Redis was lost while following ${run}. ${later}. ${now}`,
  );
}

/** What was cancelled is not finished here; `isTold`: Redis knows that it was. */
export function interruptedWhileLost(run: string, isTold: boolean): SafeShutdownError {
  const message = isTold
    ? `interrupted while Redis was lost; ${run} was cancelled, and ends when it is back. Then: safe-shutdown runs ${run}`
    : `interrupted while Redis was lost, before it heard that ${run} is cancelled. When it is back: safe-shutdown cancel ${run}`;
  return new SafeShutdownError("interrupted", message);
}

/** Whoever waited with a deadline has waited long enough. */
export function unfinished(
  run: string,
  { withinMs = 0 }: FollowOptions,
  engine: Run["engine"],
): SafeShutdownError {
  const what = `${run} is still going on after ${formatDuration(withinMs)}`;
  const then = {
    queue: `it goes on without being followed; see safe-shutdown runs ${run}`,
    inline: "it goes on in this process, which can ask for its report again",
  };
  return new SafeShutdownError("partial", `${what}; ${then[engine]}`);
}
