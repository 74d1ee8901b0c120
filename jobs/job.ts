import { z } from "zod";
import type { Config, QueueRule } from "../src/config/config.ts";
import type { JobReporter } from "../src/report/job-reporter.ts";
import type { World } from "../src/system/world.ts";

/** The world as a job may see it. Whether its hands really act (apply) or only say what they would (plan) is theirs to know. */
export interface JobContext extends Omit<World, "keyQuota" | "candidates" | "landslide" | "close"> {
  readonly config: Config;
  readonly queues: QueueHands;
  readonly report: JobReporter;
  readonly log: Log;
  /** Aborts when the run is cancelled or the worker must stop: finish the current item and return. */
  readonly signal: AbortSignal;
}

/** The hands on the queues of the application's own, whatever they are made with. */
export interface QueueHands {
  /**
   * Removes the finished jobs that a rule calls old, batch by batch. Throws `redis-unreachable`; `refused` when the
   * limit is reached; when aborted.
   */
  prune(rule: QueueRule): AsyncGenerator<QueueStep>;
}

/** What one step did; counts of jobs. */
export interface QueueStep {
  readonly removed: number;
  /** Too young. */
  readonly kept: number;
  /** There is no such queue. */
  readonly isMissing?: true;
}

/** What a job may log; pino fits. */
export interface Log {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

/** How a job is written. It may run twice: what is already done counts as done. */
export interface JobDefinition<Shape extends z.ZodRawShape> {
  /** Letters, digits and `-`. */
  readonly name: string;
  /** One line for help and reports. */
  readonly summary: string;
  /** Once per run, on whichever worker takes it, or on every host of the run. */
  readonly runsOn: "every host" | "one host";
  /** Which of a run's switches the job takes; checked again right before it runs. Default: none. */
  readonly input?: z.ZodObject<Shape>;
  /** A partial failure is data in the report; an exception means "retry me, or change something". */
  run(input: z.output<z.ZodObject<Shape>>, context: JobContext): Promise<void>;
}

/** One operation, as the engines run it: `switches` may hold more than the job takes. */
export interface Job extends Omit<JobDefinition<z.ZodRawShape>, "input" | "run"> {
  run(switches: Readonly<Record<string, unknown>>, context: JobContext): Promise<void>;
}

export function defineJob<Shape extends z.ZodRawShape>(definition: JobDefinition<Shape>): Job {
  const { name, summary, runsOn, input = z.strictObject({} as Shape) } = definition;
  return {
    name,
    summary,
    runsOn,
    run(switches, context) {
      const taken = Object.keys(input.shape).map((key) => [key, switches[key]]);
      return definition.run(input.parse(Object.fromEntries(taken)), context);
    },
  };
}
