import { mkdir, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { isAlive, killGroup, waitUntil } from "./processes.ts";
import { age, createFile, createFiles, filesIn } from "./sandbox/files.ts";
import { createKeys, type SandboxKeys } from "./sandbox/keys.ts";
import {
  type Bystander,
  holdLock,
  pidOfTheDead,
  type StandIn,
  startBystander,
  startStandIn,
} from "./sandbox/processes.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface SandboxOptions {
  /** Made if it is not there; must be empty. Its path must not hold the words worker, beat or flower. */
  readonly directory: string;
  /** A Redis of one's own: keys are written into the database it names. Default: no keys. */
  readonly redisUrl?: string;
  /** How long a worker's task at hand still takes when it is asked to stop. Default: 1500. */
  readonly taskMs?: number;
  /** Default: 2, with 2 pool children each. */
  readonly workers?: number;
}

/**
 * A copy of the scraper with everything running. The lists say what a shutdown should do to each path
 * (relative to the root) and key; every file of the sandbox is in exactly one of them.
 */
export interface Sandbox {
  readonly root: string;
  readonly files: {
    /** Gone after a shutdown; directories are named beside the files in them. */
    readonly removed: readonly string[];
    /** Of these, what a `clean` beside running services must leave: their pid files, beat's schedule. */
    readonly removedOnceStopped: readonly string[];
    /** Byte-identical after a shutdown. */
    readonly kept: readonly string[];
    /** Logs of the services: they stay, and may grow. */
    readonly growing: readonly string[];
    /** A pid file whose number now belongs to somebody else: removing it and keeping it are both right. */
    readonly undecided: readonly string[];
  };
  readonly keys: SandboxKeys;
  /** Beat, workers and Flower, which a shutdown ends. */
  readonly services: readonly StandIn[];
  /** Which a shutdown must not touch: the holder of a lock, and one whose pid stands in a pid file. */
  readonly lockHolder: Bystander;
  readonly bystander: Bystander;
  /** Kills what the sandbox started and removes its directory. May be called twice. */
  dispose(): Promise<void>;
}

type Started = (StandIn | Bystander)[];

export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  await mkdir(options.directory, { recursive: true });
  const root = await realpath(options.directory);
  const started: Started = [];
  const dispose = async () => {
    await Promise.all(started.map(end));
    await rm(root, { recursive: true, force: true });
  };
  try {
    return { ...(await build(root, options, started)), dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function build(
  root: string,
  options: SandboxOptions,
  started: Started,
): Promise<Omit<Sandbox, "dispose">> {
  const fixed = await createFiles(root, 300);
  await createFile(root, { path: "logs/app.log.4", ageMs: 10 * DAY });
  const bystander = await startBystander(root, "logs/app.log.4");
  started.push(bystander);
  const lockHolder = await holdLock(root, "telegram_session.lock");
  started.push(lockHolder);
  await age(join(root, "telegram_session.lock"), 2 * HOUR);
  await createFile(root, { path: "fetch.lock", ageMs: HOUR, content: `${bystander.pid}\n` });

  const deadPid = `${await pidOfTheDead()}\n`;
  await createFile(root, { path: "crashed.lock", ageMs: DAY, content: deadPid });
  await createFile(root, { path: "pids/celery_crashed.pid", ageMs: DAY, content: deadPid });
  const undecided = ["pids/celery_reused.pid"];
  for (const path of undecided)
    await createFile(root, { path, ageMs: 2 * DAY, content: `${bystander.pid}\n` });

  const { services, logs } = await startServices(root, options, started);
  const removedOnceStopped = [...fixed.removedOnceStopped, ...services.map(({ pidFile }) => pidFile)].sort();
  const removed = [...fixed.removed, "crashed.lock", "pids/celery_crashed.pid", ...removedOnceStopped].sort();
  const others = new Set([...removed, ...logs, ...undecided]);
  const kept = (await filesIn(root)).filter((path) => !others.has(path));
  const keys = options.redisUrl
    ? await createKeys(options.redisUrl)
    : { removed: [], kept: [], givenTtl: [] };
  return {
    root,
    files: { removed, removedOnceStopped, kept, growing: logs, undecided },
    keys,
    services,
    lockHolder,
    bystander,
  };
}

/** With the scraper's pid files: beat, the workers, Flower. */
async function startServices(root: string, options: SandboxOptions, started: Started) {
  const taskMs = String(options.taskMs ?? 1500);
  const schedule = "logs/celerybeat-schedule";
  const workers = Array.from({ length: options.workers ?? 2 }, (_, n) => `celery_worker${n + 1}`);
  const logs = [...workers.map((name) => `logs/${name}.log`), "logs/celery_beat.log"];
  for (const path of logs) await createFile(root, { path, ageMs: 0 });

  const starting = [
    startStandIn(root, "celery-beat", "pids/celery_beat.pid", [
      ...["beat", "--schedule", schedule, "--logfile", "logs/celery_beat.log"],
    ]),
    ...workers.map((name) =>
      startStandIn(root, "celery-workers", `pids/${name}.pid`, [
        ...["worker", "--concurrency", "2", "--logfile", `logs/${name}.log`, "--task-ms", taskMs],
      ]),
    ),
    startStandIn(root, "flower", "pids/flower.pid", ["flower"]),
  ];
  const outcomes = await Promise.allSettled(starting);
  const services = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  started.push(...services);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  return { services, logs };
}

/** A pool child can outlive its main process, which then is no longer there to tell that it has ended. */
async function end(one: StandIn | Bystander): Promise<void> {
  await killGroup(one.child);
  const pool = "pool" in one ? one.pool : [];
  await waitUntil(() => !pool.some(isAlive), `the pool children of pid ${one.pid} to end`);
}
