import { setTimeout as lasts } from "node:timers/promises";
import { describe, expect } from "vitest";
import { onFinished } from "../support/finish.ts";
import { useRedisProxy } from "../support/redis-proxy.ts";
import { expectUndisturbed } from "./ending.ts";
import { fault } from "./fault.ts";
import { beforeFirstStage, stopping } from "./moments.ts";
import { HOST, Scene } from "./scene.ts";

/*
 * Heartbeats are gone, and nobody is dead.
 */

/** Longer than a heartbeat lives. */
const REFUSES_MS = 17_000;
/** How long after that a host may need to be back: its worker looks every 5 s. */
const RETURNS_MS = 7_000;

describe.concurrent("a Redis that is full for longer than heartbeats live", () => {
  fault("makes no host unreachable that comes back a little later than the run", async () => {
    const scene = await Scene.open();
    const proxy = await useRedisProxy(scene.redis.port);
    const there = await scene.app.startWorker({ host: "there", redisUrl: proxy.url });
    const command = scene.command("--hosts", `${HOST},there`);
    await scene.strike(beforeFirstStage, async ({ held }) => {
      const beats = proxy.holdBefore({ text: ":worker:there" });
      await scene.app.redis.config("SET", "maxmemory", "1");
      held.release();
      const beat = await beats;
      await lasts(REFUSES_MS);
      await scene.app.redis.config("SET", "maxmemory", "0");
      await lasts(RETURNS_MS);
      beat.release();
    });
    const result = await command.result;
    expect(result.json(), result.stderr).toMatchObject({ verdict: "done", unreachable: [] });
    there.signal("SIGTERM");
    expect(await there.result).toMatchObject({ code: 0 });
  });
});

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
