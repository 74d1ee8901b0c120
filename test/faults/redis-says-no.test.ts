import { setTimeout as lasts } from "node:timers/promises";
import { describe } from "vitest";
import { expectUndisturbed } from "./ending.ts";
import { fault } from "./fault.ts";
import { beforeFirstStage, betweenStages, type Met, pruning, reporting, stopping } from "./moments.ts";
import { expectRecovery, fromNow } from "./recovery.ts";
import { Scene } from "./scene.ts";

/*
 * Redis is there, and says no for a while.
 */

const SAYS_NO_MS = 10_000;

const redisCommand = (scene: Scene, ...words: string[]) => scene.app.redis.call(...(words as [string]));

const refusals = {
  "is switched to read-only": {
    begin: (scene: Scene) => redisCommand(scene, "REPLICAOF", "127.0.0.1", "1"),
    end: (scene: Scene) => redisCommand(scene, "REPLICAOF", "NO", "ONE"),
  },
  "is full": {
    begin: (scene: Scene) => redisCommand(scene, "CONFIG", "SET", "maxmemory", "1"),
    end: (scene: Scene) => redisCommand(scene, "CONFIG", "SET", "maxmemory", "0"),
  },
};

describe.concurrent.each(Object.entries(refusals))("Redis %s", (_how, { begin, end }) => {
  describe.concurrent.each([beforeFirstStage, stopping, betweenStages, pruning, reporting])(
    "$moment",
    (moment) => {
      fault("and then takes what it is told again: the run goes on", async (context) => {
        const scene = await Scene.open();
        const command = scene.command();
        const struck = await scene.strike(moment, async ({ held }: Met) => {
          await begin(scene);
          held.release();
          scene.service.letGo();
          await lasts(SAYS_NO_MS);
          await end(scene);
        });
        await expectRecovery(scene, fromNow(struck), context);
        await expectUndisturbed(scene, await command.result);
      });
    },
  );
});
