import { createHash } from "node:crypto";
import { z } from "zod";
import { type FlowName, flowNames } from "../../jobs/flows.ts";
import type { Config } from "../config/config.ts";
import { atMost, listOf } from "../config/lengths.ts";
import { NAME } from "../config/schema.ts";
import { type Catalog, unknownJobs } from "./catalog.ts";

/*
 * What the queue carries: names and switches, never a path, a pattern, a pid or a command. Whoever can write
 * to Redis can at most ask for what the worker's own config already allows.
 */

const name = z.string().regex(NAME);
const mode = z.enum(["plan", "apply"]);
const flow = z.enum(flowNames as [FlowName, ...FlowName[]]);
const switches = { force: z.boolean().default(false), keepRedis: z.boolean().default(false) };

/** What somebody wants: one flow, on some hosts. */
export const intentSchema = z.strictObject({
  version: z.literal(1),
  flow,
  mode,
  /** Only these jobs of the flow. */
  jobs: listOf(name).check(atMost(100)).optional(),
  /** The entry of the schedule that asks for it. */
  schedule: name.optional(),
  hosts: listOf(name).check(atMost(10_000)).refine(isUnique, { error: "expected each host once" }),
  ...switches,
});
export type Intent = z.output<typeof intentSchema>;

/** What may be put into the queue: an intent, or one for all hosts there are when the run begins. */
export const requestSchema = z.strictObject({
  ...intentSchema.shape,
  hosts: z.union([z.literal("all"), intentSchema.shape.hosts], {
    error: 'expected "all", or a list of host names, each once',
  }),
});
export type Request = z.output<typeof requestSchema>;

function isUnique(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

/** What is wrong with a request here: it names jobs that its flow does not have in this config. */
export function objectionTo({ flow, jobs = [] }: Request, catalog: Catalog): string | undefined {
  const problems = unknownJobs(flow, jobs, catalog);
  return problems.length === 0 ? undefined : problems.join("; ");
}

/** The ids of runs: what stands there becomes part of the ids of their jobs. */
export const RUN_ID = /^run-[A-Za-z0-9._-]{1,200}$/;

/** One job of a run on one host, as the worker of that host is asked to do it. */
export const taskSchema = z.strictObject({
  version: z.literal(1),
  run: z.string().regex(RUN_ID),
  flow,
  mode,
  stage: z.int().min(0).max(100),
  job: name,
  /** Absent for a job that runs once per run. */
  host: name.optional(),
  force: z.boolean(),
  keepRedis: z.boolean(),
});
export type Task = z.output<typeof taskSchema>;

/** A task with the id of its queue job, or with the reason why it is not even tried. */
export interface PlannedTask {
  readonly id: string;
  readonly task: Task;
  readonly skip: string | undefined;
}

/** The stages of a run. The ids are the same however often this is asked. */
export function stagesOf(run: string, intent: Intent, catalog: Catalog): PlannedTask[][] {
  return catalog.flows[intent.flow]
    .map((names, stage) =>
      names
        .filter((name) => intent.jobs === undefined || intent.jobs.includes(name))
        .flatMap((name) => tasksOf(run, intent, stage, name, catalog)),
    )
    .filter((tasks) => tasks.length > 0);
}

/** Why a job of a run is not even tried, if it is not. */
export function reasonToSkip(job: string, { keepRedis }: Pick<Intent, "keepRedis">): string | undefined {
  return job === "prune-redis" && keepRedis ? "Redis is left alone (--keep-redis)" : undefined;
}

function tasksOf(run: string, intent: Intent, stage: number, job: string, { jobs }: Catalog): PlannedTask[] {
  const { version, flow, mode, force, keepRedis } = intent;
  const skip = reasonToSkip(job, intent);
  const common = { version, run, flow, mode, stage, job, force, keepRedis };
  if (jobs.get(job)?.runsOn === "one host") return [{ id: `${run}.${stage}.${job}`, task: common, skip }];
  return intent.hosts.map((host) => ({
    id: `${run}.${stage}.${job}.${host}`,
    task: { ...common, host },
    skip,
  }));
}

/** What to do after the application was stopped; nothing after cleaning beside it. */
export function nextStepsOf({ flow }: Intent, { nextSteps }: Pick<Config, "nextSteps">): readonly string[] {
  return flow === "clean" ? [] : nextSteps;
}

/**
 * Runs of one kind are not started twice: a second request attaches to the first. Those of an entry of the schedule are
 * of one kind, whichever hosts there were at the time.
 */
export function kindOf({ flow, mode, jobs: names, schedule, hosts, force, keepRedis }: Request): string {
  if (schedule !== undefined) return `schedule ${schedule}`;
  const switches = [force && "force", keepRedis && "keep-redis"].filter(Boolean);
  return [flow, mode, ...(names ?? []).toSorted(), ...switches, "on", placeOf(hosts)].join(" ");
}

/** A fleet has one short name: the kind of a run becomes a key in Redis. */
function placeOf(hosts: Request["hosts"]): string {
  if (hosts === "all") return "all hosts";
  const names = hosts.toSorted().join(" ");
  return names.length <= 200
    ? names
    : `${hosts.length} hosts ${createHash("sha256").update(names).digest("hex").slice(0, 16)}`;
}

/** A new run's id: unique, and sortable by time. */
export function newRunId(nowMs: number, random: string): string {
  return `run-${new Date(nowMs)
    .toISOString()
    .replace(/[-:]|\.\d+/g, "")
    .toLowerCase()}-${random}`;
}
