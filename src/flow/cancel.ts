import { type Clock, every, oneAtATime } from "../system/clock.ts";
import type { Queues } from "./queues.ts";
import { Cancelled } from "./run-job.ts";

/*
 * BullMQ cancels a job only in the process that runs it, so a cancellation is a key in Redis that whoever runs
 * a job of the run looks at.
 */

const REMEMBERED_MS = 86_400_000;
const LOOK_MS = 500;

/** Asks a run to stop after its current items. */
export async function requestCancel(queues: Queues, run: string, clock: Clock): Promise<void> {
  await queues.redis.set(queues.key("cancel", run), String(clock.now()), "PX", REMEMBERED_MS);
}

export async function isCancelled(queues: Queues, run: string): Promise<boolean> {
  return (await queues.redis.exists(queues.key("cancel", run))) === 1;
}

/** A signal that aborts with `Cancelled` when the run is cancelled; `stop` ends the watching. */
export function watchCancel(queues: Queues, run: string): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const look = () =>
    isCancelled(queues, run).then(
      (yes) => yes && controller.abort(new Cancelled("the run was cancelled")),
      () => undefined, // Redis is away: the job goes on, the next look may succeed
    );
  const stop = every(LOOK_MS, oneAtATime(look));
  return { signal: controller.signal, stop };
}
