import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { cleanTempFiles } from "../../../jobs/clean-temp-files.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { AppQueues } from "../../../src/flow/app-queues.ts";
import { connect } from "../../../src/index.ts";
import { JobReporter } from "../../../src/report/job-reporter.ts";
import type { JobReport } from "../../../src/report/report.ts";
import { systemClock } from "../../../src/system/clock.ts";
import { openWorld } from "../../../src/system/world.ts";

/** What a race came to. */
export interface Race {
  /** Cleaning runs that were tried meanwhile. */
  readonly runs: number;
  /** How often the attacker moved the world. */
  readonly swaps: number;
  readonly removed: number;
  /** How often the cleaning noticed: what was looked at had changed, or was not entered. */
  readonly noticed: number;
  /** Files outside that were harmed. */
  readonly harmed: number;
  /** New files that went in place of the old ones that were meant; only a rewrite can cost one. */
  readonly lost: number;
}

/**
 * How to clean: as safe-shutdown does; as it does where there is much to do, by sweepers that remove what they are given, or
 * what they judged; or by path, looking first and then removing, which shows that the attack bites.
 */
export type How = "held" | "swept" | "judged" | "by path";

/** Where things are: `victims` may be cleaned, and what is in `outside` must survive. */
export interface Scene {
  readonly root: string;
  readonly victims: string;
  readonly parent: string;
  readonly parked: string;
  readonly outside: string;
  readonly tmp: string;
}

const VICTIMS = 200;
const MOST_MS = 20_000;
const ATTACKER = fileURLToPath(new URL("attacker.mjs", import.meta.url));
const CONFIG = `app: victim
temp: [{ files: "tmp/**/*.log.*", olderThan: 1h }]
limits: { files: 1000000 }
`;

/** Cleans again and again beside an attacker for as long as asked, and, on a busy machine, until the race was hit once. */
export async function race(
  name: string,
  { seconds, how = "held" }: { seconds: number; how?: How | undefined },
  attack: (scene: Scene) => ChildProcess = (scene) => node(ATTACKER, name, JSON.stringify(scene)),
): Promise<Race> {
  const scene = setTheScene();
  const held = openSync(scene.victims, "r"); // the true directory, wherever the attacker has put it
  const clean = await cleanerOf(scene, how);
  const attacker = attack(scene);
  const result = { runs: 0, removed: 0, noticed: 0, harmed: 0 };
  try {
    await once(attacker.stdout ?? attacker, "data");
    const startedAt = performance.now();
    const isHit = () => (how === "by path" ? result.harmed : result.noticed) > 0;
    const isOver = (ms: number) => performance.now() - startedAt >= ms;
    while (!isOver(seconds * 1_000) || (!isHit() && !isOver(MOST_MS))) {
      for (let index = 0; index < VICTIMS; index += 1) put(`/proc/self/fd/${held}/a.log.${index}`, "victim");
      const { removed, noticed } = await clean.run();
      result.runs += 1;
      result.removed += removed;
      result.noticed += noticed;
      result.harmed += mend(scene.outside);
    }
    const said = once(attacker.stdout ?? attacker, "data");
    attacker.kill("SIGTERM");
    const [counts] = await said;
    return { ...result, ...(JSON.parse(String(counts)) as { swaps: number; lost: number }) };
  } finally {
    if (attacker.exitCode === null) {
      attacker.kill("SIGKILL");
      await once(attacker, "close");
    }
    await clean.close();
    closeSync(held);
    rmSync(join(scene.root, ".."), { recursive: true, force: true });
  }
}

function node(...args: string[]): ChildProcess {
  return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
}

function setTheScene(): Scene {
  const base = process.env.TMPDIR ?? tmpdir();
  const directory = realpathSync(mkdtempSync(join(base, "safe-shutdown-race-")));
  const root = join(directory, "root");
  const scene = {
    root,
    parent: join(root, "tmp/parent"),
    victims: join(root, "tmp/parent/victims"),
    parked: join(root, "parked"),
    outside: join(directory, "outside/victims"),
    tmp: join(root, "new"),
  };
  for (const path of [scene.victims, scene.outside]) mkdirSync(path, { recursive: true });
  writeFileSync(join(root, "safe-shutdown.yaml"), CONFIG);
  for (let index = 0; index < VICTIMS; index += 1) put(join(scene.outside, `a.log.${index}`), "canary");
  return scene;
}

const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;

/** An old file; nothing where the attacker has put a link meanwhile, which must not be followed here either. */
function put(path: string, content: string): void {
  tryTo(() => {
    const fd = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    writeFileSync(fd, content);
    futimesSync(fd, 1_000_000, 1_000_000);
    closeSync(fd);
  });
}

/** How many canaries were harmed; they are replaced. */
function mend(outside: string): number {
  let harmed = 0;
  for (let index = 0; index < VICTIMS; index += 1) {
    const path = join(outside, `a.log.${index}`);
    if (existsSync(path) && readFileSync(path, "utf8") === "canary") continue;
    harmed += 1;
    put(path, "canary");
  }
  return harmed;
}

interface Cleaned {
  readonly removed: number;
  readonly noticed: number;
}

interface Cleaner {
  run(): Promise<Cleaned>;
  close(): Promise<void>;
}

async function cleanerOf(scene: Scene, how: How): Promise<Cleaner> {
  if (how === "held") return cleaner(scene.root);
  if (how === "swept") return sweeping(scene.root);
  if (how === "judged") return judging(scene.root);
  return { run: async () => byPath(scene), close: async () => {} };
}

/** Sweepers are called for one search: for each run there are new ones, at its first entry. */
export function judging(root: string): Cleaner {
  return {
    close: async () => {},
    run: async () => {
      const cleaner = await sweeping(root);
      try {
        return await cleaner.run();
      } finally {
        await cleaner.close();
      }
    },
  };
}

/** The same sweepers, called at the first entry, remove again and again what the job judges. */
async function sweeping(root: string): Promise<Cleaner> {
  const clock = systemClock;
  const { config } = await loadConfig({ root, host: "h1", env: {}, redisUrl: "redis://127.0.0.1:1/0" });
  const { signal } = new AbortController();
  const about = { run: `run-${clock.now()}`, job: "clean-temp-files", config, mode: "apply" } as const;
  const expected = { keepRedis: true, presumeStopped: undefined, calledAfter: 0 };
  const world = await openWorld({ ...about, ...expected, signal, clock });
  const queues = new AppQueues({ config, quota: world.keyQuota, mode: "apply", clock, signal });
  const log = { info: () => {}, warn: () => {} };
  return {
    close: () => world.close(),
    run: async () => {
      const report = new JobReporter("clean-temp-files", "h1");
      await cleanTempFiles.run({}, { config, ...world, queues, report, log, signal });
      return cleanedIn(report.finish(0).report);
    },
  };
}

async function cleaner(root: string): Promise<Cleaner> {
  const application = await connect({ root, redisUrl: "redis://127.0.0.1:1/0" });
  return {
    close: () => application.close(),
    run: async () => {
      const run = await application.start("clean", { inline: true, jobs: ["clean-temp-files"] });
      const [job] = (await run.report()).jobs;
      return cleanedIn(job);
    },
  };
}

function cleanedIn(job: JobReport | undefined): Cleaned {
  const kept = (job?.items ?? []).filter(({ outcome }) => outcome === "kept");
  return { removed: job?.totals.done ?? 0, noticed: (job?.totals.changed ?? 0) + kept.length };
}

async function byPath({ victims }: Scene): Promise<Cleaned> {
  await turn();
  const names = tryTo(() => readdirSync(victims)) ?? [];
  const old = names.filter((name) => tryTo(() => lstatSync(join(victims, name)))?.mtimeMs === 1_000_000_000);
  const removed = old.filter((name) =>
    tryTo(() => {
      unlinkSync(join(victims, name));
      return true;
    }),
  );
  return { removed: removed.length, noticed: 0 };
}

function tryTo<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
