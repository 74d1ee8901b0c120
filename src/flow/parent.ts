import { type Job, WaitingChildrenError } from "bullmq";
import { assemble } from "../report/assemble.ts";
import type { RunReport } from "../report/report.ts";
import { isCancelled } from "./cancel.ts";
import { addChildren, collectResults, idOf, unknownTo } from "./children.ts";
import { clearDeadlines, setDeadline } from "./deadline.ts";
import { givenUpOf, giveUp, reasonGivenUp, UNREACHABLE } from "./given-up.ts";
import { saveReport } from "./history.ts";
import { nextStepsOf } from "./inline.ts";
import { type Intent, type PlannedTask, stagesOf } from "./intent.ts";
import { tooLate } from "./lifetime.ts";
import type { Post } from "./post.ts";
import { absentHosts } from "./roll-call.ts";

/**
 * Runs the stages of a run, one after another, and saves its report. There is no cursor to lose: from the top
 * each time, it makes sure that a stage has its children, then waits for them. When a worker is killed anywhere
 * in here, the next one starts at the top.
 */
export async function runParent(
  parent: Job,
  token: string,
  intent: Intent,
  post: Post,
  signal?: AbortSignal,
): Promise<RunReport> {
  const { queues, config, catalog, clock } = post;
  const run = idOf(parent);
  const stages = stagesOf(run, intent, catalog);
  let late: string | undefined;
  for (const stage of stages) {
    if (await isCancelled(queues, run)) break;
    const pending = await unknownTo(parent, stage);
    if (pending.length > 0) {
      late = tooLate({ flow: intent.flow, askedAtMs: parent.timestamp, hasBegun: true }, post);
      if (late !== undefined) break;
      await giveUpAbsent(post, run, pending, signal);
      const givenUp = await givenUpOf(queues, run);
      if (intent.hosts.every((host) => reasonGivenUp(givenUp, host) !== undefined)) break; // nobody is left to do it
      await setDeadline(queues, run, stage, config.stageDeadlineMs);
      await addChildren(queues, parent, pending, givenUp);
    }
    if (await parent.moveToWaitingChildren(token)) throw new WaitingChildrenError();
  }
  // children of a stage that was begun before the run was cancelled: they end soon, and a parent must not end first
  if (await parent.moveToWaitingChildren(token)) throw new WaitingChildrenError();
  await clearDeadlines(queues, run, stages);

  const givenUp = await givenUpOf(queues, run);
  const cancelled = await isCancelled(queues, run);
  const results = await collectResults(parent, stages.flat(), {
    ...{ givenUp, cancelled, late, host: config.host },
    hosts: intent.hosts,
  });
  const report = assemble(
    {
      run,
      flow: intent.flow,
      mode: intent.mode,
      engine: "queue",
      app: config.app,
      startedAt: new Date(parent.timestamp).toISOString(),
      durationMs: clock.now() - parent.timestamp,
      hosts: intent.hosts,
      unreachable: intent.hosts.filter((host) => givenUp[host] === UNREACHABLE),
      nextSteps: nextStepsOf(intent, config),
      cancelled,
    },
    results,
  );
  return saveReport(queues, report, intent.schedule);
}

/** What has no worker would be waited for in vain; whoever was given up before stays so. */
async function giveUpAbsent(
  post: Post,
  run: string,
  stage: readonly PlannedTask[],
  signal?: AbortSignal,
): Promise<void> {
  const givenUp = await givenUpOf(post.queues, run);
  const hosts = new Set(stage.flatMap(({ task: { host } }) => host ?? []));
  const counted = [...hosts].filter((host) => reasonGivenUp(givenUp, host) === undefined);
  for (const host of await absentHosts(post, run, counted, signal))
    await giveUp(post.queues, run, host, UNREACHABLE);
}
