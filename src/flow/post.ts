import { UnrecoverableError } from "bullmq";
import { z } from "zod";
import type { Log } from "../../jobs/job.ts";
import type { Config } from "../config/config.ts";
import type { JobReporter, JobResult } from "../report/job-reporter.ts";
import type { Clock } from "../system/clock.ts";
import type { Catalog } from "./catalog.ts";
import type { Queues } from "./queues.ts";
import type { Recent } from "./recent.ts";

/** What a worker has at hand when it takes a job from a queue. */
export interface Post {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly queues: Queues;
  readonly clock: Clock;
  readonly log: Log;
  /** What this worker did and Redis may not know yet, by the ids of the tasks. */
  readonly results: Recent<JobResult>;
  /** The reports of jobs that are to be tried again, by the ids of the tasks. */
  readonly unfinished: Recent<JobReporter>;
}

/** In characters: a request may bring keys of any length. */
const LONGEST_REFUSAL = 500;

/** What is refused once is never tried again, however many attempts the request asks for. */
export function refuse(reason: string): UnrecoverableError {
  return new UnrecoverableError(`refused: ${reason.slice(0, LONGEST_REFUSAL)}`);
}

/** The data of a queue job, checked before anything happens. Throws a refusal that says what is wrong with it. */
export function parseOrRefuse<T>(schema: z.ZodType<T>, data: unknown): T {
  const { data: parsed, error } = schema.safeParse(data);
  if (error === undefined) return parsed;
  throw refuse(z.prettifyError(error));
}
