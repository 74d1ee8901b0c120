import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { cleanSessionLocks } from "../../jobs/clean-session-locks.ts";
import { loadConfig } from "../../src/config/load.ts";
import { AppQueues } from "../../src/flow/app-queues.ts";
import { JobReporter } from "../../src/report/job-reporter.ts";
import { systemClock as clock } from "../../src/system/clock.ts";
import type { FileEntry, Files } from "../../src/system/files.ts";
import { type Holder, Locks, type LocksOptions } from "../../src/system/locks.ts";
import { openWorld } from "../../src/system/world.ts";

/*
 * A lock that is old and free when it is looked at is taken before it is removed: by four programs, each in its own
 * way, for as long as asked, while the job that removes stale locks runs again and again.
 */

export interface LockTaken {
  readonly runs: number;
  readonly removed: number;
  /** How often the programs held the lock. */
  readonly taken: number;
  /** Locks that the first look found free, and the last one taken: the race was really hit. */
  readonly savedByLastLook: number;
  /** Removed though it was held already when the last look began. */
  readonly robbed: number;
  /** Removed, being taken after the last look had begun: what no look can prevent. */
  readonly takenDuringLastLook: number;
  /** The time between the end of the last look and the end of the removal, in the middle of all. */
  readonly medianGapUs: number;
}

const ATTACKER = fileURLToPath(new URL("lock-taken/attacker.py", import.meta.url));
const PYTHON = "/usr/bin/python3";

/** Only root sees whether nobody holds a lock. */
export function mayRun(): boolean {
  return process.getuid?.() === 0 && existsSync(PYTHON);
}

/** `isLooking: false` leaves the last look out: it shows that the attack bites. */
export async function run({
  seconds,
  isLooking = true,
}: {
  seconds: number;
  isLooking?: boolean;
}): Promise<LockTaken> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "safe-shutdown-attack-")));
  writeFileSync(join(root, "safe-shutdown.yaml"), 'app: attacked\nlocks: [{ files: "*.lock" }]\n');
  const attackers = ["flock", "posix", "ofd", "open"].map((how) => new Attacker(root, how));
  try {
    await Promise.all(attackers.map((attacker) => attacker.ready));
    const removals = await clean(root, seconds, isLooking);
    const taken = await Promise.all(attackers.map((attacker) => attacker.end()));
    return { ...verdictOn(removals, attackers), taken: taken.reduce((sum, one) => sum + one, 0) };
  } finally {
    for (const attacker of attackers) attacker.child.kill("SIGKILL");
    rmSync(root, { recursive: true, force: true });
  }
}

class Attacker {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  /** When it had taken the locks that it was robbed of. */
  readonly robbedSince: bigint[] = [];
  readonly #taken: Promise<number>;

  constructor(root: string, how: string) {
    const child = spawn(PYTHON, [ATTACKER, how], { cwd: root, stdio: ["pipe", "pipe", "inherit"] });
    this.child = child;
    const lines = createInterface({ input: child.stdout });
    this.ready = new Promise((resolve) => lines.once("line", () => resolve()));
    this.#taken = new Promise((resolve) =>
      lines.on("line", (line) => {
        const [word, number = ""] = line.split(" ");
        if (word === "robbed") this.robbedSince.push(BigInt(number));
        if (word === "taken") resolve(Number(number));
      }),
    );
  }

  end(): Promise<number> {
    this.child.stdin?.end();
    return this.#taken;
  }
}

interface Removal {
  readonly lastLookBeganNs: bigint;
  readonly lastLookEndedNs: bigint;
  readonly endedNs: bigint;
}

interface Removals {
  readonly all: Removal[];
  runs: number;
  savedByLastLook: number;
}

/** The last look of a job, with its times noted. */
class WatchedLocks extends Locks {
  readonly isLooking: boolean;
  beganNs = 0n;
  endedNs = 0n;
  hasSaved = false;

  constructor(files: Files, options: LocksOptions, isLooking: boolean) {
    super(files, options);
    this.isLooking = isLooking;
  }

  override holderNow(file: FileEntry): Holder {
    this.beganNs = process.hrtime.bigint();
    const holder: Holder = this.isLooking ? super.holderNow(file) : { state: "free" };
    this.endedNs = process.hrtime.bigint();
    this.hasSaved = holder.state !== "free";
    return holder;
  }
}

async function clean(root: string, seconds: number, isLooking: boolean): Promise<Removals> {
  const { config } = await loadConfig({ root, host: "h1", env: {}, redisUrl: "redis://127.0.0.1:1/0" });
  const signal = new AbortController().signal;
  const removals: Removals = { all: [], runs: 0, savedByLastLook: 0 };
  const ids = { run: "run-20270131t000500z-abcdef", job: cleanSessionLocks.name };
  const world = await openWorld({
    ...{ ...ids, config, mode: "apply", keepRedis: true, presumeStopped: undefined, signal, clock },
  });
  const queues = new AppQueues({ config, quota: world.keyQuota, mode: "apply", clock, signal });
  const startedAtMs = performance.now();
  // a busy machine may need longer until the race is hit at all
  const isEnough = (ms: number) =>
    ms > seconds * 1_000 * (removals.all.length > 0 && (removals.savedByLastLook > 0 || !isLooking) ? 1 : 5);
  try {
    while (!isEnough(performance.now() - startedAtMs)) {
      makeStale(join(root, "a.lock"));
      const options = {
        root,
        mode: "apply",
        trustNamespace: false,
        presumed: { pids: new Set<number>() },
      } as const;
      const locks = new WatchedLocks(world.files, options, isLooking);
      const report = new JobReporter(cleanSessionLocks.name, "h1", () => {});
      const log = { info: () => {}, warn: () => {} };
      await cleanSessionLocks.run({}, { ...world, locks, queues, config, report, log, signal });
      removals.runs += 1;
      if (locks.hasSaved) removals.savedByLastLook += 1;
      if (report.finish(0).report.totals.done > 0) {
        const endedNs = process.hrtime.bigint();
        removals.all.push({ lastLookBeganNs: locks.beganNs, lastLookEndedNs: locks.endedNs, endedNs });
      }
    }
    return removals;
  } finally {
    await world.close();
  }
}

function makeStale(path: string): void {
  if (!existsSync(path)) writeFileSync(path, "");
  const anHourAgo = Date.now() / 1_000 - 3_600;
  utimesSync(path, anHourAgo, anHourAgo);
}

/** A lock was robbed by the first removal that ended after it was taken. */
function verdictOn(removals: Removals, attackers: readonly Attacker[]): Omit<LockTaken, "taken"> {
  const robberies = attackers.flatMap(({ robbedSince }) => robbedSince);
  const wasSeen = robberies.filter((since) => {
    const removal = removals.all.find(({ endedNs }) => endedNs > since);
    return removal === undefined || since < removal.lastLookBeganNs;
  });
  const gapsNs = removals.all.map(({ lastLookEndedNs, endedNs }) => Number(endedNs - lastLookEndedNs));
  gapsNs.sort((one, other) => one - other);
  return {
    runs: removals.runs,
    removed: removals.all.length,
    savedByLastLook: removals.savedByLastLook,
    robbed: wasSeen.length,
    takenDuringLastLook: robberies.length - wasSeen.length,
    medianGapUs: Math.round((gapsNs[Math.floor(gapsNs.length / 2)] ?? 0) / 1_000),
  };
}
