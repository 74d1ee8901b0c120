import { isCancelled, requestCancel } from "./cancel.ts";
import { type Intent, kindOf, requestSchema } from "./intent.ts";
import { type Place, tooLate } from "./lifetime.ts";
import { PARENT_OPTIONS, type Queues } from "./queues.ts";

/** The states of a parent that somebody works on, or soon will; a finished one is told by its report. */
const GOING_ON: readonly string[] = ["waiting", "active", "waiting-children", "prioritized", "completed"];

/**
 * Puts a run into the queue, unless one of its kind goes on; answers the id of the one that does. However often it is
 * asked for the same run, there is one. Neither a run that was cancelled goes on, nor one that comes too late: it is
 * cancelled for good, and the new one takes its place.
 */
export async function submitRun(queues: Queues, run: string, intent: Intent, place: Place): Promise<string> {
  const kind = kindOf(intent);
  const options = { ...PARENT_OPTIONS, jobId: run, deduplication: { id: kind } };
  const add = async () => (await queues.runs.add(intent.flow, intent, options)).id ?? run;
  const known = await add();
  if (known === run || (await isGoingOn(queues, known, kind, place))) return known;
  await requestCancel(queues, known, place.clock);
  // only while it is that run's: another process may have begun a new one meanwhile
  await queues.runs.getBackend().removeDeduplicationKey(kind, known);
  return add();
}

/** What is planted under the name of a run, asks for something else, or waits for another day, is no such run. */
async function isGoingOn(queues: Queues, run: string, kind: string, place: Place): Promise<boolean> {
  if (await isCancelled(queues, run)) return false;
  const parent = await queues.runs.getJob(run);
  const request = requestSchema.safeParse(parent?.data).data;
  if (parent === undefined || request === undefined || kindOf(request) !== kind) return false;
  const { timestamp: askedAtMs, attemptsStarted } = parent;
  const age = { flow: request.flow, askedAtMs, hasBegun: attemptsStarted > 0 };
  if (tooLate(age, place) !== undefined) return false;
  return GOING_ON.includes(await parent.getState());
}
