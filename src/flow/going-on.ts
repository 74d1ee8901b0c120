import { flowNames } from "../../jobs/flows.ts";
import type { Mode } from "../report/report.ts";
import { idOf } from "./children.ts";
import { type Request, RUN_ID, requestSchema } from "./intent.ts";
import type { Queues } from "./queues.ts";

/** A run that has not ended. */
export interface GoingRun {
  readonly run: string;
  readonly flow: string;
  readonly mode: Mode;
  readonly hosts: Request["hosts"];
  /** When it was asked for: ISO 8601. */
  readonly requestedAt: string;
  /** `waiting`: no worker has taken it up yet. */
  readonly state: "waiting" | "running";
}

/** The runs that have not ended, newest first. What is planted among them and is no run is left out. */
export async function goingRuns({ runs }: Queues): Promise<GoingRun[]> {
  const jobs = await runs.getJobs(["active", "waiting-children", "waiting", "prioritized"], 0, 999);
  return jobs
    .filter((job) => flowNames.some((name) => name === job.name) && RUN_ID.test(idOf(job)))
    .flatMap((job): GoingRun[] => {
      const { data: request } = requestSchema.safeParse(job.data);
      if (request === undefined) return [];
      const { flow, mode, hosts } = request;
      const requestedAt = new Date(job.timestamp).toISOString();
      const state = job.attemptsStarted > 0 ? "running" : "waiting";
      return [{ run: idOf(job), flow, mode, hosts, requestedAt, state }];
    })
    .toSorted((a, b) => b.requestedAt.localeCompare(a.requestedAt));
}
