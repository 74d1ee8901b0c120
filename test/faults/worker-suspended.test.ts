import { setTimeout as lasts } from "node:timers/promises";
import { describe, expect } from "vitest";
import { diff, snapshot } from "../support/listing.ts";
import { expectUndisturbed } from "./ending.ts";
import { fault } from "./fault.ts";
import { stopping, sweeping } from "./moments.ts";
import { Scene } from "./scene.ts";

/*
 * A worker is stopped (SIGSTOP) for longer than its job lock lives, and goes on (SIGCONT) when another has taken over:
 * it finds itself in the middle of what is no longer its job.
 */

const TAKEN_OVER_MS = 120_000;
const HAS_NOTICED = /renew lock|Missing lock|job ended/;

describe.concurrent("a worker that sleeps and wakes up", () => {
  fault("while a service is being stopped does not kill what another waits for", async () => {
    const graceMs = 22_000;
    const services = [
      { name: "crawler", pidFiles: "pids/crawler.pid", matches: "crawler-service", grace: `${graceMs}ms` },
    ];
    const scene = await Scene.open({ workers: 2, config: { services } });
    const command = scene.command();
    let sleeper = scene.workers[0]?.cli;
    const { atMs } = await scene.strike(stopping, ({ worker }) => {
      sleeper = worker.cli;
      sleeper.signal("SIGSTOP");
    });
    scene.app.forgetAsked();
    await scene.service.wasAsked(2, TAKEN_OVER_MS);
    await lasts(Math.max(1_000, graceMs + 1_000 - (performance.now() - atMs))); // its own grace is over now
    const begins = sleeper?.stderr.text.length ?? 0;
    sleeper?.signal("SIGCONT");
    await sleeper?.stderr.waitFor(new RegExp(`^[\\s\\S]{${begins},}(${HAS_NOTICED.source})`), 60_000);

    expect(scene.service.child.exitCode ?? scene.service.child.signalCode).toBeNull();
    scene.service.letGo();
    await expectUndisturbed(scene, await command.result);
    expect(scene.service.child).toMatchObject({ exitCode: 0, signalCode: null });
    expect(scene.service.timesAsked).toBe(2);
  });

  fault("while files are removed leaves alone what is there now", async () => {
    const scene = await Scene.open({ workers: 2 });
    const command = scene.command();
    let sleeper = scene.workers[0]?.cli;
    await scene.strike(sweeping, ({ worker }) => {
      sleeper = worker.cli;
      sleeper.signal("SIGSTOP");
    });
    const result = await command.result;
    const names = ["stale-1.lock", "logs/old-1.log.1", "logs/old-700.log.1"];
    for (const name of names) scene.app.write(name, 0); // somebody has begun anew
    const before = snapshot(scene.app.root);
    sleeper?.signal("SIGCONT");
    await sleeper?.stderr.waitFor(HAS_NOTICED, 60_000);
    sleeper?.signal("SIGTERM");
    await sleeper?.result;
    expect(diff(before, snapshot(scene.app.root))).toEqual({ added: [], removed: [], changed: [] });
    scene.app.remove(...names);
    await expectUndisturbed(scene, result);
  });
});
