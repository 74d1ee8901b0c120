import { z } from "zod";
import { type FlowName, flowNames, flows } from "../../jobs/flows.ts";
import { type JobName, jobNames, jobs } from "../../jobs/registry.ts";
import { NAME } from "../config/schema.ts";

/*
 * What the queue carries: names and switches, never a path, a pattern, a pid or a command. Whoever can write
 * to Redis can at most ask for what the worker's own config already allows.
 */

const host = z.string().regex(NAME);
const mode = z.enum(["plan", "apply"]);
const switches = { force: z.boolean(), keepRedis: z.boolean() };

/** What somebody wants: one flow, on some hosts. */
export const intentSchema = z
  .strictObject({
    version: z.literal(1),
    flow: z.enum(flowNames as [FlowName, ...FlowName[]]),
    mode,
    /** Only these jobs of the flow. */
    jobs: z
      .array(z.enum(jobNames as [JobName, ...JobName[]]))
      .min(1)
      .optional(),
    /** The entry of the schedule that asks for it. */
    schedule: host.optional(),
    hosts: z.array(host).min(1).max(10_000).refine(isUnique, { error: "expected each host once" }),
    ...switches,
  })
  .refine(({ flow, jobs = [] }) => jobs.every((name) => isJobOf(flow, name)), {
    path: ["jobs"],
    error: "expected jobs of the flow",
  });
export type Intent = z.output<typeof intentSchema>;

function isUnique(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

function isJobOf(flow: FlowName, name: JobName): boolean {
  return flows[flow].flat().some((one) => one === name);
}

/** One job of a run on one host, as the worker of that host is asked to do it. */
export const taskSchema = z.strictObject({
  version: z.literal(1),
  run: z.string().regex(/^run-[A-Za-z0-9._-]{1,200}$/),
  flow: z.enum(flowNames as [FlowName, ...FlowName[]]),
  mode,
  stage: z.int().min(0).max(20),
  job: z.enum(jobNames as [JobName, ...JobName[]]),
  /** Absent for a job that runs once per run. */
  host: host.optional(),
  ...switches,
});
export type Task = z.output<typeof taskSchema>;

/** A task with the id of its queue job, or with the reason why it is not even tried. */
export interface PlannedTask {
  readonly id: string;
  readonly task: Task;
  readonly skip: string | undefined;
}

/** The stages of a run. The ids are the same however often this is asked. */
export function stagesOf(run: string, intent: Intent): PlannedTask[][] {
  return flows[intent.flow]
    .map((names, stage) =>
      names
        .filter((name) => intent.jobs === undefined || intent.jobs.includes(name))
        .flatMap((name) => tasksOf(run, intent, stage, name)),
    )
    .filter((tasks) => tasks.length > 0);
}

function tasksOf(run: string, intent: Intent, stage: number, job: JobName): PlannedTask[] {
  const { version, flow, mode, force, keepRedis } = intent;
  const skip = job === "prune-redis" && keepRedis ? "Redis is left alone (--keep-redis)" : undefined;
  const common = { version, run, flow, mode, stage, job, force, keepRedis };
  if (jobs[job].runsOn === "one host") return [{ id: `${run}.${stage}.${job}`, task: common, skip }];
  return intent.hosts.map((host) => ({
    id: `${run}.${stage}.${job}.${host}`,
    task: { ...common, host },
    skip,
  }));
}

/** Runs of one kind are not started twice: a second request attaches to the first. */
export function kindOf({ flow, mode, jobs: names, hosts, force, keepRedis }: Intent): string {
  const switches = [force && "force", keepRedis && "keep-redis"].filter(Boolean);
  return [flow, mode, ...(names ?? []).toSorted(), ...switches, "on", ...hosts.toSorted()].join(" ");
}

/** A new run's id: unique, and sortable by time. */
export function newRunId(nowMs: number, random: string): string {
  return `run-${new Date(nowMs)
    .toISOString()
    .replace(/[-:]|\.\d+/g, "")
    .toLowerCase()}-${random}`;
}
