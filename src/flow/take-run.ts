import type { Job } from "bullmq";
import { flowNames } from "../../jobs/flows.ts";
import { formatDuration } from "../config/duration.ts";
import { idOf } from "./children.ts";
import { DEADLINE, deadlineSchema, endStage } from "./deadline.ts";
import { knownHosts } from "./hosts.ts";
import { type Intent, objectionTo, type Request, RUN_ID, requestSchema } from "./intent.ts";
import { runParent } from "./parent.ts";
import { type Post, parseOrRefuse, refuse } from "./post.ts";
import { REQUEST_VALID_MS } from "./queues.ts";
import { takeTask } from "./take-task.ts";

/** Does what came through the queue of runs: a whole run, the deadline of a stage, or a job that runs once per run. */
export async function takeRun(post: Post, job: Job, token = "", signal?: AbortSignal): Promise<unknown> {
  if (job.name === DEADLINE) return endStage(post, parseOrRefuse(deadlineSchema, job.data));
  if (!flowNames.some((name) => name === job.name)) return takeTask(post, job, token, signal);

  const request = parseOrRefuse(requestSchema, job.data);
  refuseUnfit(post, job, request);
  const intent = await settled(post, job, request);
  const { run, verdict, durationMs } = await runParent(job, token, intent, post);
  post.log.info({ run, flow: intent.flow, mode: intent.mode, verdict, durationMs }, "run ended");
  return { verdict };
}

/** Before anything happens: what is asked for is no run, is not known here, or was asked for too long ago. */
function refuseUnfit({ config, catalog, clock }: Post, job: Job, request: Request): void {
  const objection = objectionTo(request, catalog);
  if (objection !== undefined) throw refuse(`jobs, in the config of ${config.host}: ${objection}`);
  const ageMs = clock.now() - job.timestamp;
  if (job.attemptsStarted <= 1 && ageMs > REQUEST_VALID_MS) {
    throw refuse(`requested ${formatDuration(ageMs)} ago, and no worker was there to run it`);
  }
  if (!RUN_ID.test(idOf(job))) {
    throw refuse(`expected a job id that begins with run-, got ${JSON.stringify(job.id)}`);
  }
}

/** "All hosts" are those that are known now; what they are is written down before the first stage begins. */
async function settled({ queues, config }: Post, job: Job, request: Request): Promise<Intent> {
  if (request.hosts !== "all") return { ...request, hosts: request.hosts };
  const intent = { ...request, hosts: [...new Set([config.host, ...(await knownHosts(queues))])].toSorted() };
  await job.updateData(intent);
  return intent;
}
