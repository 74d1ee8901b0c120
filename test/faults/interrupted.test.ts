import { describe, expect } from "vitest";
import type { RunReport } from "../../src/index.ts";
import type { RunningCli } from "../support/cli.ts";
import { waitUntil } from "../support/processes.ts";
import { expectSameEnd } from "./ending.ts";
import { fault } from "./fault.ts";
import { checking, pruning, stopping } from "./moments.ts";
import { HOST, Scene } from "./scene.ts";

/*
 * The operator is impatient at each stage of a run.
 */

/** Whoever works: a worker beside the command, or the command itself. */
const workers = {
  "of a worker": async () => {
    const scene = await Scene.open();
    return { scene, command: scene.command() };
  },
  "of its own": async () => {
    const scene = await Scene.open({ workers: 0 });
    return { scene, command: await scene.workingCommand() };
  },
};

describe.concurrent.each(Object.entries(workers))(
  "Ctrl-C in a command that follows a run %s",
  (_who, begin) => {
    describe.concurrent.each([stopping, pruning, checking])("$moment", (moment) => {
      fault("once: the run ends after its current items, and the next one does the rest", async () => {
        const { scene, command } = await begin();
        await scene.strike(moment, async ({ held }) => {
          await interrupt(scene, command);
          held.release();
        });
        const result = await command.result;
        expect(result.code, result.stderr).toBe(130);
        const { verdict } = result.json() as RunReport;
        if (verdict === "done") scene.unlessTooLate(new Error("the run was over before it was cancelled"));
        expect(verdict).toBe("partial");
        await finish(scene);
      });

      fault("twice: the command ends at once, and the next one does the rest", async () => {
        const { scene, command } = await begin();
        await scene.strike(moment, async ({ held }) => {
          await interrupt(scene, command);
          command.signal("SIGINT");
          held.release();
        });
        const result = await command.result;
        expect(result.code, result.stderr).toBe(130);
        await finish(scene);
      });
    });
  },
);

async function interrupt(scene: Scene, command: RunningCli): Promise<void> {
  command.signal("SIGINT");
  const heard = command.stderr.waitFor(/Cancelling run-\S+ after its current items/);
  await heard.catch((error: unknown) => scene.unlessTooLate(error));
}

/** Another run does what is left to do, and a worker finds nothing that nobody would ever end. */
async function finish(scene: Scene): Promise<void> {
  scene.service.letGo();
  const next = await scene.command().result;
  expect(next, next.stderr).toMatchObject({ code: 0 });
  expect((next.json() as RunReport).verdict).toBe("done");
  if (scene.workers.length === 0) await scene.startWorker();
  await waitUntil(() => nothingGoesOn(scene), "the runs to end", 60_000);
  await expectSameEnd(scene);
}

async function nothingGoesOn({ app }: Scene): Promise<boolean> {
  const lists = ["runs:active", `host-${HOST}:active`].map((name) => app.redis.llen(app.key(name)));
  const waiting = app.redis.zcard(app.key("runs:waiting-children"));
  return (await Promise.all([...lists, waiting])).every((count) => count === 0);
}
