import { Job } from "bullmq";
import { z } from "zod";
import { formatDuration } from "../config/duration.ts";
import { DEADLINE } from "./catalog.ts";
import { waitedForBy } from "./children.ts";
import { giveUp, UNREACHABLE } from "./given-up.ts";
import { liveHosts } from "./hosts.ts";
import type { PlannedTask } from "./intent.ts";
import type { Post } from "./post.ts";
import { type Queues, queueOf } from "./queues.ts";

/*
 * A parent that waits for children is woken by nobody but them; a host whose worker has died would let it wait
 * for ever. So each stage has a delayed job beside it that frees the parent when the deadline has come.
 */

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

/**
 * Frees a run from the children of a stage that it still waits for, and gives their hosts up. Which these are is read
 * from the parent: the config of the worker that comes to do this may have other stages.
 */
export async function endStage(
  { queues, config, clock }: Post,
  { run, stage }: z.output<typeof deadlineSchema>,
): Promise<void> {
  const parent = await queues.runs.getJob(run);
  if (parent === undefined) return;
  const alive = await liveHosts(queues, clock.now());
  const prefix = `${run}.${stage}.`;
  for (const id of await waitedForBy(parent)) {
    if (!id.startsWith(prefix)) continue;
    const host = hostOf(id.slice(prefix.length));
    const isDead = host !== undefined && !alive.has(host);
    const late = `not finished within ${formatDuration(config.stageDeadlineMs)}`;
    await giveUp(queues, run, host, isDead ? UNREACHABLE : late);
    await letGo(queues, id, queueOf(host));
  }
}

/** Of `job.host`, or `job` for one that runs once per run; names of jobs hold no dot. */
function hostOf(name: string): string | undefined {
  const dot = name.indexOf(".");
  return dot < 0 ? undefined : name.slice(dot + 1);
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
