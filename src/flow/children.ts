import type { DependenciesOpts, Job } from "bullmq";
import { withoutRunning } from "../report/assemble.ts";
import { withItems } from "../report/items.ts";
import type { JobResult } from "../report/job-reporter.ts";
import { parseJobResult } from "../report/report-schema.ts";
import { type GivenUp, reasonGivenUp } from "./given-up.ts";
import type { PlannedTask } from "./intent.ts";
import { CHILD_OPTIONS, type Queues, queueOf } from "./queues.ts";

/** How many children are added, or read, in one go: a fleet must not block Redis, nor fill this process. */
const PAGE = 200;

/**
 * The tasks of a stage that the parent has no child for yet. A known one must never be added again: BullMQ would put
 * a failed child back among those the parent waits for, and it would wait for ever.
 */
export async function unknownTo(parent: Job, stage: readonly PlannedTask[]): Promise<PlannedTask[]> {
  const ids = new Set(await waitedForBy(parent)); // read first: whoever ends meanwhile is found below
  for (const id of (await parent.getDependencies({ failed: { count: 100_000 } })).failed ?? [])
    ids.add(idOfKey(id));
  for await (const [id] of pagesOf(parent, "processed")) ids.add(id);
  for await (const [id] of pagesOf(parent, "ignored")) ids.add(id);
  const known = new Set([...ids].map((id) => placeOf(parent, id)));
  return stage.filter(({ id, skip }) => skip === undefined && !known.has(placeOf(parent, id)));
}

/**
 * Which job on which host a child is. Its id says the stage too, which is not the same for a worker with other jobs of
 * its own: one that takes a run over must find what was done already.
 */
function placeOf(parent: Job, id: string): string {
  const name = id.slice(idOf(parent).length + 1);
  return name.slice(name.indexOf(".") + 1);
}

/**
 * Adds children for tasks that the parent has none for, except on hosts that were given up. They have the time of their
 * run: by it each host judges whether they come too late.
 */
export async function addChildren(
  queues: Queues,
  parent: Job,
  tasks: readonly PlannedTask[],
  givenUp: GivenUp,
): Promise<void> {
  const missing = tasks.filter(({ task }) => reasonGivenUp(givenUp, task.host) === undefined);
  const { timestamp } = parent;
  const opts = {
    ...CHILD_OPTIONS,
    timestamp,
    parent: { id: idOf(parent), queue: parent.queueQualifiedName },
  };
  for (let from = 0; from < missing.length; from += PAGE) {
    await queues.flow.addBulk(
      missing.slice(from, from + PAGE).map(({ id, task }) => ({
        name: task.job,
        queueName: queueOf(task.host),
        data: task,
        opts: { ...opts, jobId: id },
      })),
    );
  }
}

interface CollectFacts {
  readonly givenUp: GivenUp;
  readonly cancelled: boolean;
  /** Why nothing of the run is begun any more. */
  readonly late: string | undefined;
  /** Where the parent runs. */
  readonly host: string;
  /** Those that were asked for. */
  readonly hosts: readonly string[];
}

/**
 * One result per expected task: what came back, or why nothing did; and those of jobs that only the worker knew which
 * began the run. The more there are, the fewer items each keeps.
 */
export async function collectResults(
  parent: Job,
  tasks: readonly PlannedTask[],
  facts: CollectFacts,
): Promise<JobResult[]> {
  const results = new Map<string, JobResult>();
  for await (const [id, value] of pagesOf(parent, "processed")) {
    const result = parseJobResult(value);
    if (result !== undefined) results.set(placeOf(parent, id), withItems(result, tasks.length));
  }
  const failures = new Map<string, string>();
  for await (const [id, why] of pagesOf(parent, "ignored")) failures.set(placeOf(parent, id), String(why));
  const expected = tasks.map((task) => {
    const place = placeOf(parent, task.id);
    const failure = failures.get(place);
    const result = results.get(place);
    results.delete(place);
    failures.delete(place);
    return result ?? withoutResult(task, failure, facts);
  });
  const failed = [...failures].map(([place, why]) => {
    const [job = "", host = facts.host] = place.split(/\.(.*)/s);
    return withoutRunning(job, host, "failed", why);
  });
  return [...expected, ...results.values(), ...failed];
}

/** Why a task has no result. */
function withoutResult(
  { task, skip }: PlannedTask,
  failure: string | undefined,
  facts: CollectFacts,
): JobResult {
  const without = withoutRunning.bind(undefined, task.job, task.host ?? facts.host);
  if (failure !== undefined) return without("failed", failure);
  if (skip !== undefined) return without("skipped", skip);
  const givenUp = reasonGivenUp(facts.givenUp, task.host);
  if (givenUp !== undefined) return without("missing", givenUp);
  if (facts.cancelled) return without("skipped", "the run was cancelled before");
  if (facts.late !== undefined) return without("failed", facts.late);
  if (isOnceWithoutHosts(task.host, facts)) return without("skipped", "no host was reached");
  return without("missing", "it did not come back");
}

function isOnceWithoutHosts(host: string | undefined, { givenUp, hosts }: CollectFacts): boolean {
  return host === undefined && hosts.every((one) => reasonGivenUp(givenUp, one) !== undefined);
}

/** The ids of the children that the parent still waits for. */
export async function waitedForBy(parent: Job): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for await (const [id] of pagesOf(parent, "unprocessed")) ids.add(id);
  return ids;
}

export function idOf(job: Job): string {
  if (job.id === undefined) throw new Error(`a ${job.name} job without an id`);
  return job.id;
}

/** The children of one kind, with what came of each, page by page; one that is seen twice is the same twice. */
async function* pagesOf(
  parent: Job,
  kind: "processed" | "unprocessed" | "ignored",
): AsyncGenerator<[id: string, value: unknown]> {
  let cursor = 0;
  do {
    const options: DependenciesOpts = { [kind]: { cursor, count: PAGE } };
    const page = await parent.getDependencies(options);
    const children = page[kind] ?? [];
    const entries = Array.isArray(children)
      ? children.map((key): [string, unknown] => [key, undefined])
      : Object.entries(children);
    for (const [key, value] of entries) yield [idOfKey(key), value];
    const next = {
      processed: page.nextProcessedCursor,
      unprocessed: page.nextUnprocessedCursor,
      ignored: page.nextIgnoredCursor,
    };
    cursor = Number(next[kind] ?? 0);
  } while (cursor !== 0);
}

/** A dependency is named `prefix:queue:id`, and our ids hold no colon. */
function idOfKey(key: string): string {
  return key.slice(key.lastIndexOf(":") + 1);
}
