import type { Config } from "../config/config.ts";
import { protectedKeysOf } from "../config/protected-keys.ts";
import type { Mode } from "../report/report.ts";
import { type Act, actIn } from "./act.ts";
import { CeleryTasks } from "./celery-tasks.ts";
import type { Clock } from "./clock.ts";
import { Files } from "./files.ts";
import { Keyspace } from "./keyspace.ts";
import { Locks } from "./locks.ts";
import { Manifest } from "./manifest.ts";
import { Processes } from "./processes.ts";
import { Quarantine } from "./quarantine.ts";
import { Quota, type Rehearsed } from "./quota.ts";

/** Every hand there is, for one job. */
export interface World {
  readonly files: Files;
  readonly processes: Processes;
  readonly locks: Locks;
  readonly redis: Keyspace;
  readonly celery: CeleryTasks;
  readonly act: Act;
  readonly clock: Clock;
  /** How many keys may go; for hands outside of this world that remove from Redis, too. */
  readonly keyQuota: Quota;
  /** How many candidates each rule had so far. */
  candidates(): Rehearsed;
  /** Why a plan is not to be carried out: more of a rule's candidates would go than its share. */
  landslide(): string | undefined;
  close(): Promise<void>;
}

export interface WorldOptions {
  /** The run and the job whose world it is, for the manifest. */
  readonly run: string;
  readonly job: string;
  readonly config: Config;
  readonly mode: Mode;
  /** Redis is left alone: nothing is asked there either. */
  readonly keepRedis: boolean;
  /** Take the services for stopped, as an earlier stage of this plan would have left them. */
  readonly presumeStopped: { readonly force: boolean } | undefined;
  /** What a rehearsal of the job saw. */
  readonly rehearsed?: Rehearsed | undefined;
  /** Told what is odd, and keeps nothing from being done. */
  readonly tell?: ((what: string) => void) | undefined;
  /** Entries of a tree to be passed before other processes are called to help. Default: 4,000. */
  readonly calledAfter?: number | undefined;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

interface Presumed {
  readonly pids: ReadonlySet<number>;
  readonly paths: ReadonlySet<string>;
}

const NOTHING: Presumed = { pids: new Set(), paths: new Set() };

export async function openWorld(options: WorldOptions): Promise<World> {
  const world = makeWorld(options, NOTHING);
  if (options.presumeStopped === undefined) return world;
  try {
    return makeWorld(options, await presumeStopped(world, options.presumeStopped.force));
  } finally {
    await world.close();
  }
}

function makeWorld(options: WorldOptions, presumed: Presumed): World {
  const { run, job, config, mode, keepRedis, rehearsed, signal, clock, tell, calledAfter } = options;
  const { root, host, preserve, limits, services } = config;
  const ofFiles = new Quota({ noun: "files", limits, mode, rehearsed });
  const ofKeys = new Quota({ noun: "keys", limits, mode, rehearsed });
  const files = new Files({
    ...{ root, preserve, mode, clock, signal, presumed, tell, calledAfter },
    quota: ofFiles,
    manifest: new Manifest({ root, run, job, host, clock }),
    quarantine: new Quarantine({ root, run, clock }),
  });
  const trustNamespace = config.pidNamespace === "trusted";
  const redis = new Keyspace({
    mode,
    latencyBudgetMs: config.redis.latencyBudgetMs,
    maxKeysPerSecond: config.redis.maxKeysPerSecond,
    protectedKeys: protectedKeysOf(config),
    quota: ofKeys,
    clock,
    signal,
  });
  return {
    files,
    processes: new Processes({ root, services, files, mode, trustNamespace, clock, signal, presumed }),
    locks: new Locks(files, { root, mode, trustNamespace, presumed }),
    redis,
    celery: new CeleryTasks(config.redis.url, keepRedis ? "none" : mode === "apply" ? "ask" : "read", clock),
    act: actIn(mode),
    clock,
    keyQuota: ofKeys,
    candidates: () => new Map([...ofFiles.candidates, ...ofKeys.candidates]),
    landslide: () => ofFiles.landslide ?? ofKeys.landslide,
    close: async () => {
      files.close();
      await redis.close();
    },
  };
}

/** What `stop-services` would leave behind: no process of a service, and no pid file it could settle. */
async function presumeStopped({ processes }: World, force: boolean): Promise<Presumed> {
  const states = await processes.survey();
  const findings = states.flatMap(({ pidFiles }) => pidFiles).filter(({ state }) => state !== "unsure");
  const running = findings.flatMap((finding) => (finding.state === "running" ? [finding.process] : []));
  const strays = states
    .filter(({ service }) => force || service.strays === "stop")
    .flatMap((state) => state.strays.filter((stray) => !processes.whyForeign(stray, state.service)));
  return {
    pids: new Set(processes.treeOf(...running, ...strays).map(({ pid }) => pid)),
    paths: new Set(findings.map(({ file }) => file.path)),
  };
}
