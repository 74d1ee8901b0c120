import { type Job, WaitingError } from "bullmq";
import { flowNames } from "../../jobs/flows.ts";
import { redactText } from "../config/redact.ts";
import { isConnectionLoss } from "../system/redis-connection.ts";
import { DEADLINE } from "./catalog.ts";
import { idOf } from "./children.ts";
import { deadlineSchema, endStage } from "./deadline.ts";
import { knownHosts } from "./hosts.ts";
import { type Intent, objectionTo, type Request, RUN_ID, requestSchema } from "./intent.ts";
import { tooLate } from "./lifetime.ts";
import { runParent } from "./parent.ts";
import { type Post, parseOrRefuse, refuse } from "./post.ts";
import { REFUSED_FOR_GOOD_MS, reasonIn, refusalIn } from "./refusals.ts";
import { takeTask } from "./take-task.ts";

const FIRST_REST_MS = 500;
const LONGEST_REST_MS = 5_000;

/** Does what came through the queue of runs: a whole run, the deadline of a stage, or a job that runs once per run. */
export async function takeRun(post: Post, job: Job, token = "", signal?: AbortSignal): Promise<unknown> {
  if (job.name === DEADLINE) {
    const deadline = parseOrRefuse(deadlineSchema, job.data);
    return patiently(post, deadline.run, signal, () => endStage(post, deadline));
  }
  if (!flowNames.some((name) => name === job.name)) return takeTask(post, job, token, signal);

  const request = parseOrRefuse(requestSchema, job.data);
  refuseUnfit(post, job, request);
  const run = idOf(job);
  const intent = await patiently(post, run, signal, () => settled(post, job, request));
  const { verdict, durationMs } = await patiently(post, run, signal, () =>
    runParent(job, token, intent, post),
  );
  post.log.info({ run, flow: request.flow, mode: request.mode, verdict, durationMs }, "run ended");
  return { verdict };
}

/**
 * A Redis that refuses (full, read-only) or is lost for a while is no failure of a run: it starts again at the top,
 * for as long as this worker holds it. Whoever must let go of it leaves it to the next worker. What Redis has refused for
 * five minutes it will refuse for ever: then the run fails, with the reason.
 */
async function patiently<T>(
  { clock, log }: Post,
  run: string,
  signal: AbortSignal | undefined,
  act: () => Promise<T>,
): Promise<T> {
  let refusedSinceMs: number | undefined;
  for (let restMs = FIRST_REST_MS; ; restMs = Math.min(2 * restMs, LONGEST_REST_MS)) {
    try {
      return await act();
    } catch (error) {
      const isRefusal = refusalIn(error) !== undefined;
      if (!isRefusal && !isConnectionLoss(error)) throw error;
      const reason = redactText(reasonIn(error));
      refusedSinceMs = isRefusal ? (refusedSinceMs ?? clock.elapsed()) : undefined;
      if (refusedSinceMs !== undefined && clock.elapsed() - refusedSinceMs > REFUSED_FOR_GOOD_MS)
        throw new Error(`Redis refuses what the run needs: ${reason}`);
      log.warn({ run, error: reason, restMs }, "the run waits for Redis");
      await clock.sleep(restMs, signal);
      if (signal?.aborted) throw new WaitingError(); // it stays as it is, and is found without a worker
    }
  }
}

/** Before anything happens: what is asked for is no run, is not known here, or was asked for too long ago. */
function refuseUnfit(post: Post, job: Job, request: Request): void {
  const objection = objectionTo(request, post.catalog);
  if (objection !== undefined) throw refuse(`jobs, in the config of ${post.config.host}: ${objection}`);
  const hasBegun = job.attemptsStarted > 1; // this time counts
  const late = hasBegun
    ? undefined
    : tooLate({ flow: request.flow, askedAtMs: job.timestamp, hasBegun }, post);
  if (late !== undefined) throw refuse(late);
  if (!RUN_ID.test(idOf(job))) {
    throw refuse(`expected a job id that begins with run-, got ${JSON.stringify(job.id)}`);
  }
}

/** "All hosts" are those that are known now; what they are is written down before the first stage begins. */
async function settled({ queues, config, clock }: Post, job: Job, request: Request): Promise<Intent> {
  if (request.hosts !== "all") return { ...request, hosts: request.hosts };
  const known = await knownHosts(queues, clock.now());
  const intent = { ...request, hosts: [...new Set([config.host, ...known])].toSorted() };
  await job.updateData(intent);
  return intent;
}
