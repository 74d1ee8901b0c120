import { describe } from "vitest";
import { expectUndisturbed } from "./ending.ts";
import { fault } from "./fault.ts";
import { moments } from "./moments.ts";
import { expectRecovery } from "./recovery.ts";
import { Scene } from "./scene.ts";

/*
 * Redis is killed at each moment of a shutdown, and is back at once with all that it was told. The worker goes on; it
 * has what it asked for at that moment neither refused nor granted.
 */

describe.concurrent.each(moments)("Redis is killed $moment", (moment) => {
  fault("and is started again: the run ends as if nothing had been", async (context) => {
    const scene = await Scene.open();
    const command = scene.command();
    const struck = await scene.strike(moment, async ({ held }) => {
      await scene.redis.kill();
      held.cut();
      await scene.redis.start();
    });
    scene.service.letGo();
    await expectRecovery(scene, struck, context);
    await expectUndisturbed(scene, await command.result);
  });
});
