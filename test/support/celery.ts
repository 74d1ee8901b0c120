import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import { startStandIn } from "../../demo/sandbox/processes.ts";
import { killProcessesIn } from "./process-table.ts";
import { useClient } from "./redis.ts";

const PYTHON = "/usr/bin/python3";
const APP = fileURLToPath(new URL("./celery/scraper.py", import.meta.url));

/**
 * Whether /usr/bin/python3 has Celery and its Redis client; tests that need them are skipped without. In CI
 * (`CI` is set) it throws instead: there a skipped test would be a lie.
 */
export function celeryAvailable(): boolean {
  try {
    execFileSync(PYTHON, ["-c", "import celery, redis"], { stdio: "ignore" });
    return true;
  } catch (cause) {
    if (!process.env.CI) return false;
    throw new Error("Celery is missing in CI: run `npm run set-up` first", { cause });
  }
}

export interface CeleryOptions {
  /** The application's root: made ready for it, and searched for processes to kill when the test has finished. */
  readonly root: string;
  readonly redisUrl: string;
  /** Default: 1. */
  readonly taskSeconds?: number;
  /** Beat submits a task this often. Default: never. */
  readonly beatSeconds?: number;
}

/** The scraper with a real Celery: prefork workers and beat, each with the pid file the scraper gives it. */
export class CeleryApp {
  readonly #root: string;
  readonly #redis: Redis;
  readonly #env: NodeJS.ProcessEnv;

  /** To be called inside a test; everything that works inside the root is killed when it has finished. */
  constructor(options: CeleryOptions) {
    this.#root = options.root;
    this.#redis = useClient(options.redisUrl);
    this.#env = {
      ...process.env,
      SCRAPER_REDIS_URL: options.redisUrl,
      SCRAPER_TASK_SECONDS: String(options.taskSeconds ?? 1),
      ...(options.beatSeconds === undefined ? {} : { SCRAPER_BEAT_SECONDS: String(options.beatSeconds) }),
      PYTHONDONTWRITEBYTECODE: "1",
    };
    for (const name of ["pids", "logs"]) mkdirSync(join(options.root, name), { recursive: true });
    copyFileSync(APP, join(options.root, "scraper.py"));
    onTestFinished(() => killProcessesIn(options.root));
  }

  /** A worker with 2 pool children; resolves when it takes tasks. The name is that of its pid file. */
  async startWorker(name = "celery_worker"): Promise<void> {
    await this.#python([
      ...["-m", "celery", "-A", "scraper", "worker", "--concurrency=2", `--hostname=${name}@%h`],
      ...[`--pidfile=pids/${name}.pid`, `--logfile=logs/${name}.log`, "--detach"],
    ]);
    await this.#isReady("worker");
  }

  async startBeat(): Promise<void> {
    await this.#python([
      ...["-m", "celery", "-A", "scraper", "beat", "--schedule=logs/celerybeat-schedule"],
      ...["--pidfile=pids/celery_beat.pid", "--logfile=logs/celery_beat.log", "--detach"],
    ]);
    await this.#isReady("beat");
  }

  /** Not the real one, which takes long to install; the same command line as far as `matches` goes. */
  async startFlower(): Promise<void> {
    await startStandIn(this.#root, "flower", "pids/flower.pid", ["flower"]);
  }

  /** Submits so many tasks and returns their ids. */
  async submit(count: number): Promise<string[]> {
    const output = await this.#python(["scraper.py", "submit", String(count)]);
    return output.trim().split("\n");
  }

  /** Ids of the tasks that were begun, in order; one that ran twice is in it twice. */
  started(): Promise<string[]> {
    return this.#redis.lrange("scraper:started", 0, -1);
  }

  finished(): Promise<string[]> {
    return this.#redis.lrange("scraper:finished", 0, -1);
  }

  /** Ids of the tasks that wait in the queue. */
  async queued(): Promise<string[]> {
    return (await this.#redis.lrange("celery", 0, -1)).map(idOf);
  }

  /** Ids of the tasks that a worker has taken and not acknowledged. */
  async unacknowledged(): Promise<string[]> {
    const deliveries = await this.#redis.hvals("unacked");
    return deliveries.map((delivery) => idOf(JSON.stringify(JSON.parse(delivery)[0])));
  }

  /** `beat` and `worker`, in the order in which they ended; who was killed is not in it. */
  stopped(): Promise<string[]> {
    return this.#redis.lrange("scraper:stopped", 0, -1);
  }

  /** Resolves when so many more tasks have been begun since the last call. */
  async hasStarted(count: number): Promise<void> {
    for (let n = 0; n < count; n++) await this.#next("scraper:begun");
  }

  async #isReady(service: string): Promise<void> {
    const answer = await this.#next("scraper:ready");
    if (answer !== service) throw new Error(`expected ${service} to be ready, got ${answer}`);
  }

  /** A blocking pop needs a connection of its own. */
  async #next(list: string): Promise<string> {
    const client = this.#redis.duplicate();
    try {
      const answer = await client.blpop(list, 20);
      if (!answer) throw new Error(`nothing came on ${list} within 20 s`);
      return answer[1];
    } finally {
      client.disconnect();
    }
  }

  async #python(args: readonly string[]): Promise<string> {
    const options = { cwd: this.#root, env: this.#env };
    const { stdout } = await promisify(execFile)(PYTHON, [...args], options);
    return stdout;
  }
}

/** Celery's message on the wire: the task's id is among the headers (protocol 2). */
function idOf(message: string): string {
  const headers: unknown = JSON.parse(message).headers;
  if (typeof headers === "object" && headers !== null && "id" in headers) return String(headers.id);
  throw new Error(`expected a Celery message, got ${message}`);
}
