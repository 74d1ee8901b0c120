import { describe } from "vitest";
import { onFinished } from "../support/finish.ts";
import { expectUndisturbed } from "./ending.ts";
import { fault } from "./fault.ts";
import { stopping } from "./moments.ts";
import { Scene } from "./scene.ts";

/*
 * Heartbeats lapse while Redis is full, or lost, for longer than one lives; nobody is dead then.
 */

describe.concurrent("a worker of which no heartbeat is to be seen", () => {
  fault("does not take its own host for dead", async () => {
    const scene = await Scene.open();
    const command = scene.command();
    const { redis } = scene.app;
    let timer: NodeJS.Timeout | undefined;
    onFinished(() => clearInterval(timer));
    await scene.strike(stopping, () => {
      const forget = async () => {
        const beating = await redis.keys(scene.app.key("worker", "*"));
        if (beating.length > 0) await redis.del(...beating);
      };
      timer = setInterval(() => void forget().catch(() => undefined), 5);
    });
    scene.service.letGo();
    const result = await command.result;
    clearInterval(timer);
    await expectUndisturbed(scene, result);
  });
});
