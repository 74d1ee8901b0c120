import { randomBytes } from "node:crypto";
import type { JobsOptions } from "bullmq";
import { z } from "zod";
import type { FlowName } from "../../jobs/flows.ts";
import { SafeShutdownError } from "../errors.ts";
import type { Mode } from "../report/report.ts";
import { systemClock } from "../system/clock.ts";
import { kindOf, newRunId, type Request, requestSchema } from "./intent.ts";
import { PARENT_OPTIONS, prefixOf, RUNS } from "./queues.ts";

/** What is asked for, by somebody who has no more than the queue's Redis. */
export interface RequestOptions {
  /** The application's name in its config. */
  readonly app: string;
  readonly flow: FlowName;
  /** `all`: every host whose worker is alive when the run begins, or died within a day. */
  readonly hosts: readonly string[] | "all";
  /** Default: `apply`. */
  readonly mode?: Mode;
  /** Only these jobs of the flow. Default: all. */
  readonly jobs?: readonly string[];
  /** Default: false. */
  readonly force?: boolean;
  /** Default: false. */
  readonly keepRedis?: boolean;
}

/** A run as BullMQ takes it: `new Queue(queue, { prefix, connection }).add(name, data, options)`. */
export interface QueuedRequest {
  readonly queue: string;
  readonly prefix: string;
  readonly name: string;
  readonly data: Request;
  /** Its `jobId` is the run's id; a run of the same kind that is going on is attached to, and its id returned by `add`. */
  readonly options: JobsOptions;
}

/**
 * A run for a BullMQ application to put into the queue itself, without a config and without the application's files.
 * What may be done is still decided by the config of the workers. Throws `usage` for what no run can be.
 */
export function requestOf({
  app,
  flow,
  hosts,
  mode = "apply",
  jobs,
  ...switches
}: RequestOptions): QueuedRequest {
  const { data, error } = requestSchema.safeParse({
    ...{ version: 1, flow, mode, hosts },
    ...(jobs !== undefined && { jobs }),
    ...{ force: switches.force ?? false, keepRedis: switches.keepRedis ?? false },
  });
  if (error !== undefined) throw new SafeShutdownError("usage", z.prettifyError(error), { cause: error });
  const jobId = newRunId(systemClock.now(), randomBytes(3).toString("hex"));
  const options = { ...PARENT_OPTIONS, jobId, deduplication: { id: kindOf(data) } };
  return { queue: RUNS, prefix: prefixOf(app), name: flow, data, options };
}
