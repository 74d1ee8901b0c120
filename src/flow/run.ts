import { messageOf, SafeShutdownError } from "../errors.ts";
import type { RunReport } from "../report/report.ts";
import type { Clock } from "../system/clock.ts";
import { isConnectionLoss } from "../system/redis-connection.ts";
import type { QueueClient } from "./client.ts";
import { type InlineOptions, runInline } from "./inline.ts";
import type { Intent } from "./intent.ts";
import { Cancelled } from "./run-job.ts";
import type { RunView } from "./view.ts";

/** A run that goes on. */
export interface Run {
  readonly id: string;
  readonly engine: "queue" | "inline";
  /** It was already going on when this process asked for it. */
  readonly attached: boolean;
  /**
   * Waits for the report. `onView` is told, several times a second, where the run stands.
   * Throws `redis-unreachable` when Redis stays away for half a minute, `unexpected` when the run was lost.
   */
  report(onView?: (view: RunView) => void): Promise<RunReport>;
  /** Asks it to stop after its current items. */
  cancel(): Promise<void>;
}

interface QueueRunOptions {
  client(): Promise<QueueClient>;
  reconnect(): Promise<void>;
  /** Works for this host if nobody else does any more. */
  ensureWorker(): Promise<void>;
  readonly clock: Clock;
}

/** A short run should not wait for the next look; a long one should not ask all the time. */
const FIRST_LOOKS = { untilMs: 2_000, everyMs: 25 };
const LOOK_MS = 200;
const WORKER_CHECK_MS = 5_000;
const PATIENCE_MS = 30_000;
const RECONNECT_MS = 500;

/** A run in the queue. Whoever runs it, what Redis says of it is the truth. */
export class QueueRun implements Run {
  readonly engine = "queue";
  readonly id: string;
  readonly attached: boolean;
  readonly #options: QueueRunOptions;

  constructor(id: string, attached: boolean, options: QueueRunOptions) {
    this.id = id;
    this.attached = attached;
    this.#options = options;
  }

  async report(onView: (view: RunView) => void = () => {}): Promise<RunReport> {
    const { clock } = this.#options;
    const startedAtMs = clock.now();
    let checkedAtMs = startedAtMs;
    for (;;) {
      const state = await this.#patiently(async () => (await this.#options.client()).stateOf(this.id));
      if (state.state === "finished") return state.report;
      if (state.state === "unknown") throw withoutReport(this.id, "Redis has forgotten it");
      if (state.state === "broken") throw withoutReport(this.id, state.reason);
      onView(state.view);
      const nowMs = clock.now();
      if (nowMs - checkedAtMs >= WORKER_CHECK_MS) {
        await this.#patiently(() => this.#options.ensureWorker());
        checkedAtMs = nowMs;
      }
      await clock.sleep(nowMs - startedAtMs < FIRST_LOOKS.untilMs ? FIRST_LOOKS.everyMs : LOOK_MS);
    }
  }

  async cancel(): Promise<void> {
    await (await this.#options.client()).cancel(this.id);
  }

  /** Lives through a Redis that is away for a while. */
  async #patiently<T>(ask: () => Promise<T>): Promise<T> {
    const { clock, reconnect } = this.#options;
    const startedAtMs = clock.now();
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!isConnectionLoss(error)) throw error;
        if (clock.now() - startedAtMs > PATIENCE_MS) throw lost(this.id, error);
        await clock.sleep(RECONNECT_MS);
        await reconnect().catch(() => undefined); // the next question says why
      }
    }
  }
}

/** What became of a run that has no report. */
export function withoutReport(run: string, reason: string): SafeShutdownError {
  const code = reason.startsWith("refused:") ? "refused" : "unexpected";
  return new SafeShutdownError(code, `${run} ended without a report: ${reason}`);
}

function lost(run: string, error: unknown): SafeShutdownError {
  return new SafeShutdownError(
    "redis-unreachable",
    `Redis was lost while following ${run}: ${messageOf(error)}. When it is back: safe-shutdown runs ${run}`,
    { cause: error },
  );
}

/** A run in this process. It starts when its report is asked for. */
export class InlineRun implements Run {
  readonly engine = "inline";
  readonly attached = false;
  readonly id: string;
  readonly #intent: Intent;
  readonly #options: Omit<InlineOptions, "signal" | "onView">;
  readonly #cancel = new AbortController();
  #report: Promise<RunReport> | undefined;

  constructor(id: string, intent: Intent, options: Omit<InlineOptions, "signal" | "onView">) {
    this.id = id;
    this.#intent = intent;
    this.#options = options;
  }

  report(onView: (view: RunView) => void = () => {}): Promise<RunReport> {
    this.#report ??= runInline(this.id, this.#intent, {
      ...this.#options,
      signal: this.#cancel.signal,
      onView,
    });
    return this.#report;
  }

  async cancel(): Promise<void> {
    this.#cancel.abort(new Cancelled("the run was cancelled"));
  }
}
