import type { Clock } from "./clock.ts";

/**
 * A look that costs too much to be taken for every file: whoever asks while it is taken, or within `lifeMs` after it,
 * gets the same answer.
 */
export function sharedLook<T>(look: () => Promise<T>, lifeMs: number, clock: Clock): () => Promise<T> {
  let answer: Promise<T> | undefined;
  let endedAtMs: number | undefined;
  return () => {
    const isCurrent = endedAtMs === undefined || clock.elapsed() - endedAtMs < lifeMs;
    if (answer !== undefined && isCurrent) return answer;
    endedAtMs = undefined;
    answer = look().finally(() => {
      endedAtMs = clock.elapsed();
    });
    return answer;
  };
}
