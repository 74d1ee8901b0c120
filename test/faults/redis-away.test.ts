import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as lasts } from "node:timers/promises";
import { describe, expect } from "vitest";
import { expectUndisturbed } from "./ending.ts";
import { fault } from "./fault.ts";
import { betweenStages, reporting, stopping } from "./moments.ts";
import { expectRecovery, fromNow } from "./recovery.ts";
import { Scene } from "./scene.ts";

/*
 * Redis is away for long, or comes back without what it knew.
 */

const AWAY_MS = 60_000;

describe.concurrent.each([stopping, betweenStages, reporting])("Redis is away for 60 s $moment", (moment) => {
  fault("and then goes on: so does the run", async (context) => {
    const scene = await Scene.open();
    const command = scene.command();
    const struck = await scene.strike(moment, async ({ held }) => {
      await scene.redis.kill();
      held.cut();
      scene.service.letGo();
      await lasts(AWAY_MS);
      await scene.redis.start();
    });
    await expectRecovery(scene, fromNow(struck), context);
    await expectUndisturbed(scene, await command.result);
  });
});

describe.concurrent.each([stopping, betweenStages])("Redis comes back empty $moment", (moment) => {
  fault("and the command says that its run is lost; the next one does it all", async () => {
    const scene = await Scene.open();
    const command = scene.command();
    await scene.strike(moment, async ({ held }) => {
      await scene.redis.kill();
      held.cut();
      await rm(join(scene.redis.directory, "appendonlydir"), { recursive: true });
      await scene.redis.start();
      await scene.writeKeys();
    });
    const lost = await command.result;
    if (lost.code === 0) scene.unlessTooLate(new Error(`the run was not lost:\n${lost.stderr}`));
    expect(lost.code, lost.stderr).toBe(1);
    expect(lost.json()).toMatchObject({
      error: { message: expect.stringMatching(/run-\S+ .*(lost|forgotten)/) },
    });

    scene.service.letGo();
    await expectUndisturbed(scene, await scene.command().result, ORPHANED);
  });
});

/** A worker repeats on the empty Redis what it was about to say; it goes with the deadline of its stage. */
const ORPHANED = /^runs:(delayed|RUN.\d.deadline)$/;
