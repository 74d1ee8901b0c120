import type { RunReport } from "../report/report.ts";
import { settlesWithin } from "../system/clock.ts";
import { type InlineOptions, runInline } from "./inline.ts";
import type { Intent } from "./intent.ts";
import { type FollowOptions, type Run, unfinished } from "./run.ts";
import { Cancelled } from "./run-job.ts";

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
  #report: Promise<RunReport> | undefined;

  constructor(id: string, intent: Intent, options: InlineRunOptions) {
    this.id = id;
    this.because = options.because;
    this.#intent = intent;
    this.#options = options;
  }

  async report(follow: FollowOptions = {}): Promise<RunReport> {
    this.#report ??= runInline(this.id, this.#intent, {
      ...this.#options,
      signal: this.#cancel.signal,
      onView: follow.onView ?? (() => {}),
    });
    const { withinMs, signal } = follow;
    const isLate =
      withinMs !== undefined && !(await settlesWithin(this.#report, withinMs, this.#options.clock));
    signal?.throwIfAborted();
    if (isLate) throw unfinished(this.id, follow);
    return this.#report;
  }

  async cancel(): Promise<void> {
    this.#cancel.abort(new Cancelled("the run was cancelled"));
  }
}
