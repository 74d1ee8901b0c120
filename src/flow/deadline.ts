import { Job } from "bullmq";
import { z } from "zod";
import { formatDuration } from "../config/duration.ts";
import { waitedForBy } from "./children.ts";
import { giveUp, UNREACHABLE } from "./given-up.ts";
import { liveHosts } from "./hosts.ts";
import { intentSchema, type PlannedTask, stagesOf } from "./intent.ts";
import type { Post } from "./post.ts";
import { type Queues, queueOf } from "./queues.ts";

/*
 * A parent that waits for children is woken by nobody but them; a host whose worker has died would let it wait
 * for ever. So each stage has a delayed job beside it that frees the parent when the deadline has come.
 */

export const DEADLINE = "deadline";
export const deadlineSchema = z.strictObject({ run: z.string(), stage: z.int().min(0) });

export async function setDeadline(
  queues: Queues,
  run: string,
  stage: readonly PlannedTask[],
  deadlineMs: number,
): Promise<void> {
  const index = stage[0]?.task.stage ?? 0;
  await queues.runs.add(
    DEADLINE,
    { run, stage: index },
    {
      jobId: idFor(run, index),
      delay: deadlineMs,
      attempts: 10,
      backoff: 5_000,
      removeOnComplete: true,
      removeOnFail: true,
    },
  );
}

/** Also those of stages that were broken off. */
export async function clearDeadlines(
  queues: Queues,
  run: string,
  stages: readonly (readonly PlannedTask[])[],
): Promise<void> {
  for (const stage of stages) await queues.runs.remove(idFor(run, stage[0]?.task.stage ?? 0));
}

/** Frees a run from the children of a stage that it still waits for, and gives their hosts up. */
export async function endStage(
  { queues, config, catalog }: Post,
  { run, stage }: z.output<typeof deadlineSchema>,
): Promise<void> {
  const parent = await queues.runs.getJob(run);
  const intent = intentSchema.safeParse(parent?.data);
  if (parent === undefined || !intent.success) return;
  const waitedFor = await waitedForBy(parent);
  const alive = await liveHosts(queues);
  const late = stagesOf(run, intent.data, catalog)
    .flat()
    .filter(({ id, task }) => task.stage === stage && waitedFor.has(id));
  for (const { id, task } of late) {
    const isDead = task.host !== undefined && !alive.has(task.host);
    const late = `not finished within ${formatDuration(config.stageDeadlineMs)}`;
    await giveUp(queues, run, task.host, isDead ? UNREACHABLE : late);
    await letGo(queues, id, queueOf(task.host));
  }
}

/** A child that has not begun is taken away, so that it does not run late; a running one is no longer waited for. */
async function letGo(queues: Queues, id: string, queueName: string): Promise<void> {
  const queue = queues.open(queueName);
  try {
    const child = await Job.fromId(queue, id);
    await child?.removeChildDependency();
    // one that has just begun is locked, and refuses; its result is then not waited for
    await child?.remove().catch(() => undefined);
  } finally {
    await queue.close();
  }
}

function idFor(run: string, stage: number): string {
  return `${run}.${stage}.${DEADLINE}`;
}
