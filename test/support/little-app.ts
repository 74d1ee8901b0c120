import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { killGroup, waitUntil } from "../../demo/processes.ts";
import { Application } from "../../src/flow/application.ts";
import { openApplication } from "../../src/flow/open.ts";
import type { Clock } from "../../src/system/clock.ts";
import { type CliOptions, type RunningCli, startCli } from "./cli.ts";
import { onFinished } from "./finish.ts";
import { temporaryDirectory } from "./temp.ts";
import { Transcript } from "./transcript.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export interface LittleAppOptions {
  readonly redisUrl: string;
  /** Default: one that no other test has. */
  readonly name?: string;
  /** Laid over the config, key by key. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface Opened {
  readonly application: Application;
  /** The messages it logged so far. */
  readonly said: string[];
}

interface HostOptions {
  /** Default: `here`. */
  readonly host?: string;
  readonly redisUrl?: string;
}

export interface OpenOptions extends HostOptions {
  /** Default: the true one. */
  readonly clock?: Clock;
  /** Told all that is logged. */
  readonly hear?: (facts: object, message: string) => void;
}

export interface WorkerOptions extends HostOptions {
  /** Beside the environment of the test. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Longer than any test lets a worker live. */
const WORKER_MS = 900_000;

/**
 * An application as small as can be: a stale lock, an old rotated log, old keys, and on demand one service.
 * Everything of it is gone when the test has finished. To be made inside a test.
 */
export class LittleApp {
  readonly name: string;
  readonly root = temporaryDirectory();
  readonly prefix: string;
  readonly redis: Redis;
  readonly #redisUrl: string;

  constructor({ redisUrl, name = `app-${randomBytes(3).toString("hex")}`, config = {} }: LittleAppOptions) {
    this.name = name;
    this.prefix = `{safe-shutdown-${name}}`;
    this.#redisUrl = redisUrl;
    this.redis = new Redis(redisUrl, { maxRetriesPerRequest: null }); // as BullMQ wants it
    this.redis.on("error", () => {}); // some tests take Redis away
    onFinished(() => this.redis.disconnect());
    this.write("stale.lock", HOUR);
    this.write("logs/app.log.1", 30 * DAY);
    this.write("logs/app.log", 0);
    this.configure(config);
  }

  /** Writes the config anew; whoever opened the application before keeps the old one. */
  configure(config: Readonly<Record<string, unknown>>): void {
    const defaults = {
      app: this.name,
      services: [{ name: "crawler", pidFiles: "pids/crawler.pid", matches: "crawler-service", grace: "30s" }],
      locks: [{ files: "*.lock" }],
      redis: {
        url: this.#redisUrl,
        prune: [{ keys: `${this.name}:message:*`, olderThan: "1h", age: [{ ttl: "24h" }] }],
      },
      temp: [{ files: "logs/*.log.*", olderThan: "7d" }],
      nextSteps: ["./start.sh"],
      workerGrace: "5s",
    };
    writeFileSync(join(this.root, "safe-shutdown.json"), JSON.stringify({ ...defaults, ...config }));
  }

  write(path: string, ageMs: number): void {
    const full = join(this.root, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, "x\n");
    const time = new Date(Date.now() - ageMs);
    utimesSync(full, time, time);
  }

  /** Paths in the root. */
  remove(...paths: string[]): void {
    for (const path of paths) rmSync(join(this.root, path));
  }

  /** Keys of three hours of age, which the prune rule removes. */
  async writeOldKeys(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      await this.redis.set(`${this.name}:message:${n}`, "x", "PX", DAY - 3 * HOUR);
    }
  }

  /** The application as one process sees it; closed when the test has finished. */
  async open({ host = "here", redisUrl, clock, hear }: OpenOptions = {}): Promise<Opened> {
    const said: string[] = [];
    const note = (facts: object, message: string) => {
      said.push(message);
      hear?.(facts, message);
    };
    const log = { info: note, warn: note };
    const { application: opened } = await openApplication({ root: this.root, host, redisUrl, log });
    const { config, catalog } = opened;
    const application =
      clock === undefined ? opened : new Application(config, { catalog, log, clock, version: "0.0.0" });
    onFinished(() => application.close());
    return { application, said };
  }

  /**
   * `safe-shutdown worker` as a process of its own; resolves when it is up. On a busy machine it may take Redis for away
   * (exit code 75): then it is started again, as its supervisor would.
   */
  async startWorker(options: WorkerOptions = {}, tries = 5): Promise<RunningCli> {
    const { host = "here", redisUrl = this.#redisUrl, env = {} } = options;
    const words = ["worker", "--host", host, "--redis", redisUrl];
    const worker = this.startCli(words, env, { timeoutMs: WORKER_MS });
    try {
      await worker.stderr.waitFor(/the maintenance worker is up/, 60_000);
    } catch (error) {
      const hasEnded = worker.child.exitCode !== null || /ended without/.test(String(error));
      if (tries === 1 || !hasEnded || (await worker.result).code !== 75) throw error;
      return this.startWorker(options, tries - 1);
    }
    await waitUntil(() => isAsleep(worker.pid), "the worker to listen to signals", 60_000);
    return worker;
  }

  /** The built program on this application. */
  startCli(
    args: readonly string[],
    more: NodeJS.ProcessEnv = {},
    options: Pick<CliOptions, "timeoutMs" | "tty"> = {},
  ): RunningCli {
    const { SAFE_SHUTDOWN_REDIS_URL: _theirs, ...env } = process.env;
    return startCli([...args, "--root", this.root], {
      env: { ...env, SAFE_SHUTDOWN_REDIS_URL: undefined, ...more },
      timeoutMs: 60_000,
      ...options,
    });
  }

  /**
   * A running service with its pid file. It ends only when it is let go, however often it is asked; `holds` is a file
   * that it has open all the time.
   */
  async startService({ holds = "safe-shutdown.json" }: { holds?: string } = {}): Promise<Service> {
    const program = `require("node:fs").openSync(${JSON.stringify(holds)});
      process.on("SIGTERM", () => console.log("asked"));
      process.on("SIGUSR2", () => process.exit(0));
      setTimeout(() => {}, 600_000); console.log("ready");`;
    const child = spawn(process.execPath, ["-e", program, "--", "crawler-service"], {
      cwd: this.root,
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    onFinished(() => killGroup(child));
    const service = new Service(child);
    await service.output.waitFor(/ready/);
    mkdirSync(join(this.root, "pids"), { recursive: true });
    writeFileSync(join(this.root, "pids/crawler.pid"), `${service.pid}\n`);
    return service;
  }

  /** As if who asked the service to end had been struck before he could note it: whoever comes next asks again. */
  forgetAsked(): void {
    for (const note of this.notesOfAsking()) rmSync(note);
  }

  /** The paths of the notes that a service was asked to end. */
  notesOfAsking(): string[] {
    const own = join(this.root, ".safe-shutdown");
    if (!existsSync(own)) return [];
    return readdirSync(own).flatMap((name) => (name.startsWith("asked-") ? [join(own, name)] : []));
  }

  /** The name of a key of the program's own. */
  key(...parts: string[]): string {
    return [this.prefix, ...parts].join(":");
  }

  /** A queue as anybody with access to Redis may write to it. */
  queue(name: string): Queue {
    const queue = new Queue(name, { connection: this.redis, prefix: this.prefix });
    onFinished(() => queue.close());
    return queue;
  }

  /** As if 15 s had passed since a worker was killed: its heartbeat is gone. */
  async forget(worker: RunningCli, host = "here"): Promise<void> {
    for (const key of await this.redis.keys(this.key("worker", host, `${worker.pid}:*`))) {
      await this.redis.del(key);
    }
  }

  /**
   * As if a queue had been looked through 15 s after its worker was killed: the locks of its jobs have run out,
   * so they go to whoever is alive. Resolves when nobody dead holds a job any more.
   */
  async expireLocks(name: string): Promise<void> {
    const dead = await this.redis.lrange(this.key(name, "active"), 0, -1);
    for (const id of dead) await this.redis.del(this.key(name, id, "lock"));
    const watchman = new Worker(name, null, {
      connection: this.redis,
      prefix: this.prefix,
      autorun: false,
      stalledInterval: 10,
      maxStalledCount: 10,
    });
    try {
      await watchman.startStalledCheckTimer();
      await waitUntil(
        async () => {
          await this.redis.del(this.key(name, "stalled-check"));
          const active = await this.redis.lrange(this.key(name, "active"), 0, -1);
          const locks = await Promise.all(active.map((id) => this.redis.exists(this.key(name, id, "lock"))));
          return locks.every((lock) => lock === 1);
        },
        `the jobs ${dead.join(", ")} to be taken from the dead`,
      );
    } finally {
      await watchman.close();
    }
  }
}

/** Whether the process sleeps (Linux): it has nothing left to do after what it said last. */
function isAsleep(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("S");
}

/** A stand-in for one of the application's processes. */
export class Service {
  readonly child: ChildProcess;
  readonly output: Transcript;
  readonly pid: number;

  constructor(child: ChildProcess) {
    if (child.stdout === null || child.pid === undefined) throw new Error("expected a service with output");
    this.child = child;
    this.pid = child.pid;
    this.output = new Transcript("the service", child.stdout);
  }

  /** Resolves when it has been sent SIGTERM so many times. */
  async wasAsked(times = 1, timeoutMs = 20_000): Promise<void> {
    await this.output.waitFor(new RegExp(`(asked\\s+){${times}}`), timeoutMs);
  }

  /** How often it has been sent SIGTERM so far. */
  get timesAsked(): number {
    return this.output.text.match(/asked/g)?.length ?? 0;
  }

  letGo(): void {
    this.child.kill("SIGUSR2");
  }
}
