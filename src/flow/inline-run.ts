import type { RunReport } from "../report/report.ts";
import { LONGEST_MS, settlesWithin } from "../system/clock.ts";
import { type InlineOptions, runInline } from "./inline.ts";
import type { Intent } from "./intent.ts";
import { type FollowOptions, type Run, unfinished } from "./run.ts";
import { Cancelled } from "./run-job.ts";
import type { RunView } from "./view.ts";

export interface InlineRunOptions extends Omit<InlineOptions, "signal" | "onView"> {
  /** Why it does not go through the queue, though it was to. */
  readonly because?: string | undefined;
}

/** A run in this process. It starts when its report is asked for. */
export class InlineRun implements Run {
  readonly engine = "inline";
  readonly attached = false;
  readonly id: string;
  readonly #intent: Intent;
  readonly because: string | undefined;
  readonly #options: InlineRunOptions;
  readonly #cancel = new AbortController();
  /** All who follow it now. */
  readonly #watchers = new Set<(view: RunView) => void>();
  #report: Promise<RunReport> | undefined;

  constructor(id: string, intent: Intent, options: InlineRunOptions) {
    this.id = id;
    this.because = options.because;
    this.#intent = intent;
    this.#options = options;
  }

  async report(follow: FollowOptions = {}): Promise<RunReport> {
    const { onView, withinMs, signal } = follow;
    const watch = (view: RunView) => onView?.(view);
    this.#watchers.add(watch);
    try {
      this.#report ??= this.#begin();
      const longestMs = Math.min(withinMs ?? LONGEST_MS, LONGEST_MS);
      const isLate = !(await settlesWithin(this.#report, longestMs, this.#options.clock, signal));
      signal?.throwIfAborted();
      if (isLate && withinMs !== undefined) throw unfinished(this.id, follow, this.engine);
      return await this.#report;
    } finally {
      this.#watchers.delete(watch);
    }
  }

  #begin(): Promise<RunReport> {
    return runInline(this.id, this.#intent, {
      ...this.#options,
      signal: this.#cancel.signal,
      onView: (view) => {
        for (const watch of this.#watchers) watch(view);
      },
    });
  }

  async cancel(): Promise<void> {
    this.#cancel.abort(new Cancelled("the run was cancelled"));
  }
}
