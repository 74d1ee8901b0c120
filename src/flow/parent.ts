import { type Job, WaitingChildrenError } from "bullmq";
import { assemble } from "../report/assemble.ts";
import type { RunReport } from "../report/report.ts";
import { isCancelled } from "./cancel.ts";
import { addChildren, collectResults, idOf, unknownTo } from "./children.ts";
import { clearDeadlines, setDeadline } from "./deadline.ts";
import { type GivenUp, givenUpOf, giveUp, reasonGivenUp, UNREACHABLE } from "./given-up.ts";
import { saveReport } from "./history.ts";
import { type Intent, nextStepsOf, type PlannedTask, stagesOf } from "./intent.ts";
import { tooLate } from "./lifetime.ts";
import type { Post } from "./post.ts";
import { absentHosts } from "./roll-call.ts";

/**
 * Runs the stages of a run, one after another, and saves its report. There is no cursor to lose: from the top
 * each time, it makes sure that a stage has its children, then waits for them. When a worker is killed anywhere
 * in here, the next one starts at the top.
 */
export async function runParent(parent: Job, token: string, intent: Intent, post: Post): Promise<RunReport> {
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
      const givenUp = await callRoll(post, run, pending);
      if (givenUp === undefined) break;
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

/**
 * Gives up the hosts of a stage that no worker is there for, as they would be waited for in vain. Answers whom the run does
 * not count on any more; `undefined`: it was cancelled meanwhile.
 */
async function callRoll(
  post: Post,
  run: string,
  stage: readonly PlannedTask[],
): Promise<GivenUp | undefined> {
  const { queues } = post;
  const before = await givenUpOf(queues, run);
  const hosts = new Set(stage.flatMap(({ task: { host } }) => host ?? []));
  const counted = [...hosts].filter((host) => reasonGivenUp(before, host) === undefined);
  const absent = await absentHosts(post, run, counted);
  if (await isCancelled(queues, run)) return undefined;
  for (const host of absent) await giveUp(queues, run, host, UNREACHABLE);
  return givenUpOf(queues, run);
}
