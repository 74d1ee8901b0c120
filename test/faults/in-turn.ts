import { setTimeout as delay } from "node:timers/promises";
import { waitedForProcessorMs } from "./processor.ts";

/** How long a case waits for a busy machine before it begins all the same. */
const PATIENCE_MS = 10_000;
const LOOK_MS = 300;
/** A machine is busy when, for this part of the time, some process has to wait for a processor. */
const BUSY = 0.6;

let last: Promise<unknown> = Promise.resolve();

/**
 * Many cases begin at the same moment, each starts several programs, and programs give a Redis two seconds: they take
 * turns, and wait for a moment when the machine has room for one more.
 */
export function inTurn<T>(act: () => Promise<T>): Promise<T> {
  const turn = last.then(untilThereIsRoom).then(act);
  last = turn.catch(() => undefined);
  return turn;
}

async function untilThereIsRoom(): Promise<void> {
  for (const begunAt = performance.now(); performance.now() - begunAt < PATIENCE_MS; ) {
    const [waitedMs, sinceMs] = [waitedForProcessorMs(), performance.now()];
    await delay(LOOK_MS);
    if (waitedForProcessorMs() - waitedMs < BUSY * (performance.now() - sinceMs)) return;
  }
}
