import { describe, expect } from "vitest";
import { expectUndisturbed } from "./ending.ts";
import { fault } from "./fault.ts";
import { Scene } from "./scene.ts";

describe.concurrent.each([0, 1])("ten commands at the same moment, with %i workers", (count) => {
  fault("are one run with ten identical reports", async () => {
    const scene = await Scene.open({ workers: count });
    const commands = Array.from({ length: 10 }, () => scene.command());
    const follows = /stop-services: running/;
    await Promise.all(commands.map(({ stderr }) => stderr.waitFor(follows, 120_000)));
    await scene.service.wasAsked(1, 120_000); // the stage runs a while before it asks
    scene.service.letGo();
    const results = await Promise.all(commands.map(({ result }) => result));
    for (const result of results) expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
    expect(await scene.app.redis.zcard(scene.app.key("history", "shutdown"))).toBe(1);
    expect(scene.service.timesAsked).toBe(1);
    const [first] = results;
    if (first !== undefined) await expectUndisturbed(scene, first);
  });
});
