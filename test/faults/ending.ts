import { expect } from "vitest";
import type { RunReport } from "../../src/index.ts";
import type { CliResult } from "../support/cli.ts";
import { snapshot } from "../support/listing.ts";
import { processesIn, waitUntil } from "../support/processes.ts";
import { HOST, Scene } from "./scene.ts";

/** What a run leaves, in words that do not differ between two applications. */
interface Ending {
  readonly outline: readonly string[];
  readonly tree: readonly string[];
  readonly keys: readonly string[];
}

/** What a heartbeat or a lock needs to expire. */
const EXPIRY_MS = 40_000;

let reference: Promise<Ending> | undefined;

/** The ending of a shutdown that nothing disturbs; run once for all cases of a file. */
function undisturbed(): Promise<Ending> {
  reference ??= runUndisturbed();
  reference.catch(() => {
    reference = undefined; // the next case tries again
  });
  return reference;
}

async function runUndisturbed(): Promise<Ending> {
  const scene = await Scene.open();
  scene.letServiceGo({ whenAsked: 1 });
  const result = await scene.command().result;
  expect(result).toMatchObject({ code: 0 });
  const report = result.json() as RunReport;
  await dismiss(scene);
  const ending = { outline: outlineOf(report), tree: treeOf(scene), keys: await keysOf(scene) };
  expect(report.jobs.map(({ status }) => status)).toEqual(Array(5).fill("done"));
  expect(ending.keys).toContain("telegram:young");
  expect(ending.keys).not.toContain("telegram:1");
  return ending;
}

/** The command ended well, and all (but keys that are `tolerated`) is as after a shutdown that nothing has disturbed; nothing else is left. */
export async function expectUndisturbed(scene: Scene, result: CliResult, tolerated = /^$/): Promise<void> {
  expect(result, result.stderr).toMatchObject({ code: 0, signal: null });
  const report = result.json() as RunReport;
  const expected = await undisturbed();
  expect(outlineOf(report)).toEqual(expected.outline);
  expect(report).toMatchObject({ verdict: "done", engine: "queue", unreachable: [] });
  await expectSameEnd(scene, tolerated);
}

/** Files, keys, processes and connections are as after an undisturbed shutdown, however this one came about. */
export async function expectSameEnd(scene: Scene, tolerated = /^$/): Promise<void> {
  const { keys, tree } = await undisturbed();
  expect(treeOf(scene)).toEqual(tree);
  await dismiss(scene);
  const left = async () => (await keysOf(scene)).filter((key) => !tolerated.test(key));
  const isSame = async () => (await left()).join() === keys.join();
  await waitUntil(isSame, "what expires by itself", EXPIRY_MS).catch(() => undefined);
  const found = await left();
  const more = found.filter((key) => !keys.includes(key));
  expect(found, `left over: ${more.join(", ")}`).toEqual(keys);
}

/** All workers end as they should when they are asked; nobody is left then. */
async function dismiss(scene: Scene): Promise<void> {
  for (const { cli } of scene.workers) cli.signal("SIGTERM");
  for (const { cli } of scene.workers) {
    const result = await cli.result;
    expect(result, result.stderr).toMatchObject({ code: 0, signal: null });
  }
  expect(processesIn(scene.app.root)).toEqual([]);
  const others = async () =>
    String(await scene.app.redis.client("LIST"))
      .trim()
      .split("\n").length - 1;
  await waitUntil(async () => (await others()) === 0, "all connections to end", EXPIRY_MS);
}

function outlineOf({ jobs }: RunReport): string[] {
  return jobs.map(({ job, host, status, totals }) => `${job} on ${host}: ${status}, ${totals.failed} failed`);
}

function treeOf({ app }: Scene): string[] {
  const entries = [...snapshot(app.root)].filter(([path]) => !path.startsWith(".safe-shutdown/asked-"));
  const lines = entries.map(([path, { type, mode, size, sha256 }]) => {
    if (path === "safe-shutdown.json") return path; // which names the application and its Redis
    if (path.startsWith(".safe-shutdown")) return withoutRun(path); // which tells how a run came about
    return [path, type, mode.toString(8), type === "file" ? size : "", sha256].join(" ");
  });
  return [...new Set(lines)];
}

/**
 * The keys of the application and those of its runs, each name once. What comes and goes in an idle queue is left out,
 * and what is remembered for a day: which runs were cancelled, and which workers went without a word.
 */
async function keysOf(scene: Scene): Promise<string[]> {
  const { app, killed } = scene;
  const passing = new RegExp(`^((runs|host-${HOST}):(stalled-check|marker|id)|cancel:RUN)$`);
  const all = await Promise.all(scene.clients().map((client) => client.keys("*")));
  const keys = all
    .flat()
    .map((key) => (key.startsWith(app.prefix) ? key.slice(app.prefix.length + 1) : key))
    .map(withoutRun)
    .filter((key) => !passing.test(key) && !(killed.length > 0 && key === "workers"))
    .toSorted();
  return [...new Set(keys)];
}

/** The name of a run's own file or key, as it is for any run. */
function withoutRun(name: string): string {
  return name.replace(/run-\d{8}t\d{6}z-[0-9a-f]+/, "RUN");
}
