import { readdirSync, readlinkSync } from "node:fs";
import { expect, test } from "vitest";
import { openApplication } from "../../src/flow/open.ts";
import { systemClock } from "../../src/system/clock.ts";
import { openWorld } from "../../src/system/world.ts";
import { LittleApp } from "../support/little-app.ts";

/** What this process has open in the root. */
function openIn(root: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(root) ? [path] : [];
    } catch {
      return []; // the descriptor of this listing itself
    }
  });
}

test("a dry run that is cancelled while it sees what a stop would leave lets go of what it has open", async () => {
  const app = new LittleApp({
    redisUrl: "redis://127.0.0.1:1/0",
    config: { services: [{ name: "crawler", pidFiles: "pids/*.pid", matches: "crawler-service" }] },
  });
  for (const name of ["a", "b"]) app.write(`pids/${name}.pid`, 0);
  const log = { info: () => {}, warn: () => {} };
  const { config } = (await openApplication({ root: app.root, host: "here", log })).application;
  const cancelling = new AbortController();
  const cancelled = new Error("cancelled");
  let elapsedMs = 0;
  const opening = openWorld({
    ...{ run: "run-1", job: "clean-temp-files", config, mode: "plan", keepRedis: true },
    presumeStopped: { force: false },
    signal: cancelling.signal,
    clock: {
      ...systemClock,
      elapsed: () => (elapsedMs += 1_000), // the event loop is given a turn after each file
      breathe: async () => {
        if (openIn(app.root).length > 1) cancelling.abort(cancelled);
      },
    },
  });
  await expect(opening).rejects.toBe(cancelled);
  expect(openIn(app.root)).toEqual([]);
});
