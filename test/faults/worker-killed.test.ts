import { describe } from "vitest";
import { expectUndisturbed } from "./ending.ts";
import { fault } from "./fault.ts";
import { moments } from "./moments.ts";
import { expectRecovery } from "./recovery.ts";
import { Scene } from "./scene.ts";

/*
 * kill -9 of the worker that is at work, at each moment of a shutdown that an operator has asked for.
 */

describe.concurrent.each(moments)("the worker is killed $moment", (moment) => {
  fault("and a second one of the same host takes over", async (context) => {
    const scene = await Scene.open({ workers: 2 });
    const command = scene.command();
    const struck = await scene.strike(moment, ({ worker }) => scene.kill(worker));
    scene.app.forgetAsked();
    if (moment.holdsService) scene.letServiceGo({ whenAsked: 2 });
    await expectRecovery(scene, struck, context);
    await expectUndisturbed(scene, await command.result);
  });

  fault("and the same one is started again", async (context) => {
    const scene = await Scene.open();
    const command = scene.command();
    const struck = await scene.strike(moment, ({ worker }) => scene.kill(worker));
    scene.app.forgetAsked();
    if (moment.holdsService) scene.letServiceGo({ whenAsked: 2 });
    await scene.startWorker();
    await expectRecovery(scene, struck, context);
    await expectUndisturbed(scene, await command.result);
  });
});
