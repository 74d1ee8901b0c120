import { readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { onFinished } from "../support/finish.ts";
import type { Held, Request } from "../support/redis-proxy.ts";
import type { HiredWorker, Scene } from "./scene.ts";

/** A worker that is met in the middle of something; a request of it that has to do with it waits. */
export interface Met {
  readonly worker: HiredWorker;
  readonly held: Held;
}

/** A point of a shutdown that a fault can strike at. */
export interface Moment {
  readonly moment: string;
  /** The job that is met; none: the run itself, between its jobs. */
  readonly job?: string;
  /** The service goes on until somebody lets it go. Default: it ends when it is asked to. */
  readonly holdsService?: true;
  comes(scene: Scene): Promise<Met>;
}

/** A slow machine may need long to come to a moment. */
const PATIENCE_MS = 120_000;

const NOTHING: Held = { release: () => {}, cut: () => {} };

export const beforeFirstStage = onRequest("before the first stage", { text: ".0.deadline" });
export const betweenStages = onRequest("between two stages", { text: ".1.deadline" });
export const stopping: Moment = {
  moment: "while a service is being stopped",
  job: "stop-services",
  holdsService: true,
  comes: async (scene) => {
    await scene.service.wasAsked(1, PATIENCE_MS);
    return { worker: await workerDoing(scene, "stop-services"), held: NOTHING };
  },
};
export const pruning = {
  ...onRequest("during prune-redis", { text: "telegram:*", nth: 4 }),
  job: "prune-redis",
};

export const checking: Moment = {
  moment: "during check-system",
  job: "check-system",
  comes: async (scene) => {
    const queueing = await firstRequest(scene, { text: ".2.deadline" });
    const looking = firstRequest(scene, { text: "info" }); // whichever worker takes it up
    queueing.held.release();
    return looking;
  },
};

export const reporting = onRequest("before the report is written", { text: ":report:run-" });
export const sweeping = onRemoval("clean-temp-files", "logs", /\.log\.1$/);

/** Before each step of a run, and in the middle of each. */
export const moments: readonly Moment[] = [
  beforeFirstStage,
  stopping,
  betweenStages,
  onRemoval("clean-session-locks", ".", /\.lock$/),
  pruning,
  sweeping,
  checking,
  reporting,
  onRequest("while the report is written", { text: ":history:" }),
];

function onRequest(moment: string, request: Request): Moment {
  return {
    moment,
    comes: (scene) => firstRequest(scene, request),
  };
}

/** Waits for any worker to send it. */
async function firstRequest({ workers }: Scene, request: Request): Promise<Met> {
  const met = await Promise.race(
    workers.map(async (worker) => ({ worker, held: await worker.proxy.holdBefore(request) })),
  );
  for (const { proxy } of workers) proxy.disarm();
  return met;
}

/** As soon as the job has removed its first file; it goes on removing others. */
function onRemoval(job: string, folder: string, name: RegExp): Moment {
  return {
    moment: `during ${job}`,
    job,
    comes: async (scene) => {
      await firstRemoval(join(scene.app.root, folder), name);
      return { worker: await workerDoing(scene, job), held: NOTHING };
    },
  };
}

async function firstRemoval(folder: string, name: RegExp): Promise<void> {
  const count = () => readdirSync(folder).filter((file) => name.test(file)).length;
  const before = count();
  await new Promise<void>((resolve) => {
    const watcher = watch(folder, () => count() < before && resolve());
    onFinished(() => watcher.close());
  });
}

/** The one whose log says that the job has begun. */
async function workerDoing({ workers }: Scene, job: string): Promise<HiredWorker> {
  const [only, ...others] = workers;
  if (only !== undefined && others.length === 0) return only;
  return Promise.any(
    workers.map(async (worker) => {
      await worker.cli.stderr.waitFor(new RegExp(`"job":"${job}".*job begins`), PATIENCE_MS);
      return worker;
    }),
  );
}
