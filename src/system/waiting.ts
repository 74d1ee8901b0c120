import type { Clock } from "./clock.ts";
import { HeldProcess } from "./held-process.ts";
import { isStillRunning, type Process } from "./proc.ts";
import { ProcessTree } from "./process-tree.ts";

export interface WaitingOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Is told, several times a second, who is waited for. */
  readonly onWait: (running: readonly Process[], waitedMs: number) => void;
}

const POLL_MS = 50;
/** Looking who was started meanwhile takes about a tenth of the time, however many processes there are. */
const IDLE_TIMES = 10;

/** Waits until all have ended, at most `timeoutMs`, or until the abort; answers those still running. */
export async function waitUntilGone(
  whom: readonly Process[] | ProcessTree,
  timeoutMs: number,
  { clock, signal, onWait }: WaitingOptions,
): Promise<Process[]> {
  const startedAtMs = clock.elapsed();
  let growAtMs = startedAtMs;
  for (;;) {
    if (whom instanceof ProcessTree && clock.elapsed() >= growAtMs) growAtMs = grow(whom, clock);
    let running = stillRunning(whom);
    // what the last of them started before it ended is found now or never
    if (running.length === 0 && whom instanceof ProcessTree) running = whom.grow();
    const waitedMs = clock.elapsed() - startedAtMs;
    if (running.length === 0 || waitedMs >= timeoutMs || signal.aborted) return running;
    onWait(running, waitedMs);
    await clock.sleep(Math.min(POLL_MS, timeoutMs - waitedMs), signal);
  }
}

/** When to look again. */
function grow(tree: ProcessTree, clock: Clock): number {
  const startedAtMs = clock.elapsed();
  tree.grow();
  const endedAtMs = clock.elapsed();
  return endedAtMs + IDLE_TIMES * (endedAtMs - startedAtMs);
}

function stillRunning(whom: readonly Process[] | ProcessTree): Process[] {
  if (whom instanceof ProcessTree) return whom.running();
  return whom.filter((one) => (one instanceof HeldProcess ? one.isRunning() : isStillRunning(one)));
}
