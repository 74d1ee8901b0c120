import { describe, expect } from "vitest";
import type { RunReport } from "../../src/index.ts";
import { diff, snapshot } from "../support/listing.ts";
import type { LittleApp } from "../support/little-app.ts";
import { waitUntil } from "../support/processes.ts";
import { fault } from "./fault.ts";
import { HOST, Scene } from "./scene.ts";

/*
 * What somebody with access to Redis may write under the queue of a live worker, past every library: no JSON, JSON
 * that eats memory, a job without its parts. See test/flow/requests.test.ts for well-formed requests that ask too much.
 */

const DEEP = 200_000;

const jobs: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "no JSON": { name: "clean", data: "{", opts: "{}" },
  "no JSON for its options": { name: "clean", data: "{}", opts: "not json" },
  "options that are a list": { name: "clean", data: "{}", opts: "[]" },
  "ten thousand attempts without a pause": { name: "clean", data: "{}", opts: '{"attempts":10000}' },
  "no name": { data: "{}", opts: "{}" },
  "no data": { name: "clean", opts: "{}" },
  "a number for data": { name: "clean", data: "7", opts: "{}" },
  "lists in lists": { name: "clean", data: "[".repeat(DEEP) + "]".repeat(DEEP), opts: "{}" },
  "ten million characters": {
    name: "clean",
    data: JSON.stringify({ flow: "x".repeat(10_000_000) }),
    opts: "{}",
  },
  "a time that is none": { name: "clean", data: "{}", opts: "{}", timestamp: "yesterday" },
  "a parent of somebody else": {
    name: "clean",
    data: "{}",
    opts: "{}",
    parentKey: "other:queue:1",
    parent: '{"id":"1","queueKey":"other:queue"}',
  },
  "the name of a deadline": { name: "deadline", data: '{"run":"../../etc","stage":1e9}', opts: "{}" },
  "the prototype": {
    name: "__proto__",
    data: '{"__proto__":{"flow":"clean"}}',
    opts: '{"__proto__":{"attempts":9}}',
  },
};

describe.concurrent.each(["runs", `host-${HOST}`])("what is planted in the queue %s", (queue) => {
  fault("touches nothing, and keeps the worker from nothing", async () => {
    const scene = await Scene.open();
    const { app } = scene;
    const before = snapshot(app.root);
    for (const [what, fields] of Object.entries(jobs)) {
      await plant(app, queue, what, fields);
      await plant(app, queue, `run-${what.replaceAll(" ", "-")}.0.clean-temp-files.${HOST}`, fields);
    }
    await waitUntil(
      async () => (await left(app, queue)).length === 0,
      "the planted jobs to be refused",
      60_000,
    );
    expect(diff(before, snapshot(app.root))).toEqual({ added: [], removed: [], changed: [] });
    expect(await app.redis.exists("telegram:1", "telegram:young")).toBe(2);
    expect(scene.service.timesAsked).toBe(0);

    scene.letServiceGo({ whenAsked: 1 });
    const result = await scene.command().result;
    expect((result.json() as RunReport).verdict, result.stderr).toBe("done");
    expect(scene.workers[0]?.cli.child.exitCode).toBeNull();
  });
});

async function plant(app: LittleApp, queue: string, id: string, fields: object): Promise<void> {
  await app.redis.hset(app.key(queue, id), { timestamp: String(Date.now()), priority: "0", ...fields });
  await app.redis.lpush(app.key(queue, "wait"), id);
  await app.redis.zadd(app.key(queue, "marker"), 0, "0");
}

/**
 * Planted jobs that were neither refused nor thrown away. One that BullMQ cannot read is given to nobody: it is taken for
 * stalled until it has been too often, minutes later.
 */
async function left(app: LittleApp, queue: string): Promise<string[]> {
  const lists = ["wait", "active"].map((name) => app.redis.lrange(app.key(queue, name), 0, -1));
  const ids = (await Promise.all(lists)).flat();
  return ids.filter((id) => !/no.JSON/.test(id) && id !== "0:0");
}
