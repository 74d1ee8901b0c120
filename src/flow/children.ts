import type { Job } from "bullmq";
import { withoutRunning } from "../report/assemble.ts";
import type { JobResult } from "../report/job-reporter.ts";
import { type GivenUp, reasonGivenUp } from "./given-up.ts";
import type { PlannedTask } from "./intent.ts";
import { CHILD_OPTIONS, type Queues, queueOf } from "./queues.ts";

/**
 * The tasks of a stage that the parent has no child for yet. A known one must never be added again: BullMQ would put
 * a failed child back among those the parent waits for, and it would wait for ever.
 */
export async function unknownTo(parent: Job, stage: readonly PlannedTask[]): Promise<PlannedTask[]> {
  const { processed = {}, unprocessed = [], ignored = {}, failed = [] } = await parent.getDependencies();
  const names = [...Object.keys(processed), ...unprocessed, ...Object.keys(ignored), ...failed];
  const known = new Set(names.map(idOfKey));
  return stage.filter(({ id, skip }) => skip === undefined && !known.has(id));
}

/** Adds children for tasks that the parent has none for, except on hosts that were given up. */
export async function addChildren(
  queues: Queues,
  parent: Job,
  tasks: readonly PlannedTask[],
  givenUp: GivenUp,
): Promise<void> {
  const missing = tasks.filter(({ task }) => reasonGivenUp(givenUp, task.host) === undefined);
  await queues.flow.addBulk(
    missing.map(({ id, task }) => ({
      name: task.job,
      queueName: queueOf(task.host),
      data: task,
      opts: { ...CHILD_OPTIONS, jobId: id, parent: { id: idOf(parent), queue: parent.queueQualifiedName } },
    })),
  );
}

interface CollectFacts {
  readonly givenUp: GivenUp;
  readonly cancelled: boolean;
  /** Where the parent runs. */
  readonly host: string;
  /** Those that were asked for. */
  readonly hosts: readonly string[];
}

function isOnceWithoutHosts(host: string | undefined, { givenUp, hosts }: CollectFacts): boolean {
  return host === undefined && hosts.every((one) => reasonGivenUp(givenUp, one) !== undefined);
}

/** One result per expected task: what came back, or why nothing did. */
export async function collectResults(
  parent: Job,
  tasks: readonly PlannedTask[],
  facts: CollectFacts,
): Promise<JobResult[]> {
  const { processed = {}, ignored = {} } = await parent.getDependencies();
  const results = new Map(
    Object.entries(processed).map(([key, value]) => [idOfKey(key), value as JobResult]),
  );
  const failures = new Map(Object.entries(ignored).map(([key, why]) => [idOfKey(key), String(why)]));
  return tasks.map(({ id, task, skip }) => {
    const without = withoutRunning.bind(undefined, task.job, task.host ?? facts.host);
    const failure = failures.get(id);
    const givenUp = reasonGivenUp(facts.givenUp, task.host);
    return (
      results.get(id) ??
      (failure !== undefined
        ? without("failed", failure)
        : skip !== undefined
          ? without("skipped", skip)
          : givenUp !== undefined
            ? without("missing", givenUp)
            : facts.cancelled
              ? without("skipped", "the run was cancelled before")
              : isOnceWithoutHosts(task.host, facts)
                ? without("skipped", "no host was reached")
                : without("missing", "it did not come back"))
    );
  });
}

/** The ids of the children that the parent still waits for. */
export async function waitedForBy(parent: Job): Promise<ReadonlySet<string>> {
  const { unprocessed = [] } = await parent.getDependencies();
  return new Set(unprocessed.map(idOfKey));
}

export function idOf(job: Job): string {
  if (job.id === undefined) throw new Error(`a ${job.name} job without an id`);
  return job.id;
}

/** A dependency is named `prefix:queue:id`, and our ids hold no colon. */
function idOfKey(key: string): string {
  return key.slice(key.lastIndexOf(":") + 1);
}
