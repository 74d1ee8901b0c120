import { type FlowName, flowNames, flows } from "../../jobs/flows.ts";
import type { Job } from "../../jobs/job.ts";
import { jobs } from "../../jobs/registry.ts";
import type { Config, OwnJob } from "../config/config.ts";
import { nearest } from "../config/similar.ts";
import { hintOf, messageOf, type Problem, SafeShutdownError } from "../errors.ts";
import { importOwnJob } from "./own-job.ts";

/** What can be done here: the jobs that come with the package and the application's own, and the stages of each flow. */
export interface Catalog {
  readonly jobs: ReadonlyMap<string, Job>;
  readonly flows: Readonly<Record<FlowName, readonly (readonly string[])[]>>;
}

/** The jobs and flows that come with the package. */
export const builtIn: Catalog = { jobs: new Map(Object.entries(jobs)), flows };

/**
 * The catalog of a config: its own jobs are imported from their modules. Throws `config-invalid` with everything that
 * is wrong: a module that cannot be imported or holds no job, a name that is taken, a place that does not exist.
 */
export async function loadCatalog(config: Pick<Config, "root" | "jobs" | "schedule">): Promise<Catalog> {
  const problems: Problem[] = [];
  let catalog = builtIn;
  for (const [index, own] of config.jobs.entries()) {
    try {
      catalog = withJob(catalog, await importOwnJob(config.root, own.module), own);
    } catch (error) {
      const hint = hintOf(error);
      problems.push({
        path: `jobs[${index}]`,
        message: messageOf(error),
        ...(hint !== undefined && { hint }),
      });
    }
  }
  problems.push(...unknownJobsOfSchedule(config, catalog));
  if (problems.length === 0) return catalog;
  throw new SafeShutdownError("config-invalid", "the config asks for jobs that are not there", { problems });
}

/** The name of what ends a stage whose time is up: a job in the queue of runs, beside the runs. */
export const DEADLINE = "deadline";

/** In the queue of runs a name says what a job is: one called like these would be taken for it. */
const RESERVED: readonly string[] = [...flowNames, DEADLINE];

/** Adds a job to the stages it asks for. Throws when its name is taken, or its place is not in one of its flows. */
function withJob({ jobs, flows }: Catalog, job: Job, own: OwnJob): Catalog {
  if (jobs.has(job.name))
    throw new Error(`expected a name of its own, got ${job.name}, which there is already`);
  if (RESERVED.includes(job.name)) {
    const taken = `${RESERVED.join(", ")} mean something else in the queue`;
    throw new Error(`expected a name of its own, got ${job.name}: ${taken}; give it another one`);
  }
  const placed = Object.fromEntries(
    flowNames.map((name) => [
      name,
      own.flows.includes(name) ? place(flows[name], job.name, own, name) : flows[name],
    ]),
  ) as Catalog["flows"];
  return { jobs: new Map(jobs).set(job.name, job), flows: placed };
}

/** A stage of its own before or after that of another job, or a place beside it in the same stage. */
function place(
  stages: readonly (readonly string[])[],
  job: string,
  { where, anchor }: OwnJob,
  flow: FlowName,
): readonly (readonly string[])[] {
  const index = stages.findIndex((stage) => stage.includes(anchor));
  if (index < 0) {
    throw new Error(
      `expected ${where} to name a job of the flow ${flow} (${stages.flat().join(", ")}), got ${anchor}`,
    );
  }
  if (where === "with") return stages.with(index, [...(stages[index] ?? []), job]);
  return stages.toSpliced(where === "before" ? index : index + 1, 0, [job]);
}

function unknownJobsOfSchedule({ schedule }: Pick<Config, "schedule">, catalog: Catalog): Problem[] {
  return schedule.flatMap(({ flow, jobs = [] }, index) =>
    unknownJobs(flow, jobs, catalog).map((message) => ({ path: `schedule[${index}].jobs`, message })),
  );
}

/** For each name that is no job of the flow, what is wrong with it. */
export function unknownJobs(flow: FlowName, names: readonly string[], catalog: Catalog): string[] {
  const known = catalog.flows[flow].flat();
  return names
    .filter((name) => !known.includes(name))
    .map((name) => {
      const similar = nearest(name, known);
      const hint = similar === undefined ? "" : `; did you mean ${similar}?`;
      return `expected one of ${known.join(", ")}; got ${JSON.stringify(name)}${hint}`;
    });
}
