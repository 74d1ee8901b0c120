import type { Clock } from "./clock.ts";
import type { Process } from "./proc.ts";
import type { ProcessTree } from "./process-tree.ts";

export interface WaitingOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Is told, several times a second, who is waited for. */
  readonly onWait: (running: readonly Process[], waitedMs: number) => void;
}

const POLL_MS = 50;
/** A step that takes so much longer than it should was slept through: the machine, or this process, was suspended. */
const SUSPENDED_MS = 1_000;
/** Time enough, once awake again, to hear that somebody else has taken over meanwhile. */
const AWAKE_MS = 2_000;
/** On a machine that is merely slow, every step takes so long: there the waiting must end, too. */
const TIMES_SUSPENDED = 3;
/** Looking who was started meanwhile takes about a tenth of the time, however many processes there are. */
const IDLE_TIMES = 10;

/**
 * Waits until all of a tree have ended, at most `timeoutMs`, or until the abort; answers those still running. Time in which this
 * process was suspended does not count: nobody was there to see them end, and another worker may have taken over.
 */
export async function waitUntilGone(
  tree: ProcessTree,
  timeoutMs: number,
  { clock, signal, onWait }: WaitingOptions,
): Promise<Process[]> {
  let lookedAtMs = clock.elapsed();
  let growAtMs = lookedAtMs;
  let waitedMs = 0;
  let stepMs = 0;
  let timesSuspended = 0;
  for (;;) {
    if (clock.elapsed() >= growAtMs) growAtMs = grow(tree, clock);
    let running = tree.running();
    // what the last of them started before it ended is found now or never
    if (running.length === 0) running = tree.grow();
    const elapsedMs = clock.elapsed() - lookedAtMs;
    lookedAtMs += elapsedMs;
    const wasSuspended = elapsedMs > stepMs + SUSPENDED_MS && timesSuspended < TIMES_SUSPENDED;
    if (wasSuspended) timesSuspended += 1;
    waitedMs = wasSuspended ? Math.max(0, Math.min(waitedMs, timeoutMs - AWAKE_MS)) : waitedMs + elapsedMs;
    if (running.length === 0 || waitedMs >= timeoutMs || signal.aborted) return running;
    onWait(running, waitedMs);
    stepMs = Math.min(POLL_MS, timeoutMs - waitedMs);
    await clock.sleep(stepMs, signal);
  }
}

/** When to look again. */
function grow(tree: ProcessTree, clock: Clock): number {
  const startedAtMs = clock.elapsed();
  tree.grow();
  const endedAtMs = clock.elapsed();
  return endedAtMs + IDLE_TIMES * (endedAtMs - startedAtMs);
}
