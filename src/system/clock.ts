import { setTimeout as timer, setImmediate as turn } from "node:timers/promises";

/** The only source of time. Tests put their own in its place. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds since some moment: for durations, which must not jump when the clock is set. */
  elapsed(): number;
  /** Resolves after `ms`, or at once when `signal` aborts: it never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Lets the event loop turn once, so that locks are renewed and progress is shown during long work. */
  breathe(): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: async (ms, signal) => {
    if (signal?.aborted) return;
    await timer(ms, undefined, signal === undefined ? {} : { signal }).catch(ignoreAbort);
  },
  breathe: () => turn(),
};

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === "AbortError")) throw error;
}

/** Calls `act` every `ms` until the returned function is called. Never keeps the process alive. */
export function every(ms: number, act: () => void): () => void {
  const interval = setInterval(act, ms);
  interval.unref();
  return () => clearInterval(interval);
}

/** What calls `act` only when the last time is over: while Redis is away, nothing piles up. */
export function oneAtATime(act: () => Promise<unknown>): () => void {
  let isBusy = false;
  return () => {
    if (isBusy) return;
    isBusy = true;
    void act().finally(() => {
      isBusy = false;
    });
  };
}

/** The longest that a timer can wait: 24 days. */
export const LONGEST_MS = 2 ** 31 - 1;

/** Waits until `work` has settled, but no longer than `ms`, or until `signal` aborts; answers whether it has. Never rejects. */
export async function settlesWithin(
  work: Promise<unknown>,
  ms: number,
  clock: Clock,
  signal?: AbortSignal,
): Promise<boolean> {
  const settled = new AbortController();
  const end = () => settled.abort();
  work.then(end, end);
  await clock.sleep(ms, signal === undefined ? settled.signal : AbortSignal.any([settled.signal, signal]));
  return settled.signal.aborted;
}

/** Watches how late the event loop is for its timers; the returned function ends it, and answers the worst, in ms. */
export function watchLateness(): () => number {
  const stepMs = 50;
  let dueMs = performance.now() + stepMs;
  let worstMs = 0;
  const look = () => {
    const nowMs = performance.now();
    worstMs = Math.max(worstMs, nowMs - dueMs);
    dueMs = nowMs + stepMs;
  };
  const stop = every(stepMs, look);
  return () => {
    stop();
    look();
    return worstMs;
  };
}
