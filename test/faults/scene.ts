import type { Redis } from "ioredis";
import type { RunningCli } from "../support/cli.ts";
import { giveUp, onFailed } from "../support/finish.ts";
import { LittleApp, type Service } from "../support/little-app.ts";
import { type PrivateRedis, useClient, useRedis } from "../support/redis.ts";
import { type RedisProxy, useRedisProxy } from "../support/redis-proxy.ts";
import { putOff } from "./chance.ts";
import { inTurn } from "./in-turn.ts";
import type { Met, Moment } from "./moments.ts";
import { type Strike, strikeNow } from "./recovery.ts";
import { keepTranscript } from "./transcripts.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
export const HOST = "here";

const TOO_LATE = "the fault was put off, and the run was over before";

/** How much there is to clean: enough for a job to be met in the middle of it. */
const LOCKS = 12;
const LOGS = 800;
const KEYS = 4_000;

/** Longer than the longest outage a command lives through. */
const COMMAND_MS = 240_000;

export interface SceneOptions {
  /** Laid over the config of the application. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Default: 1. */
  readonly workers?: number;
  /** Where the queue is. Default: in the Redis of the application. */
  readonly queue?: QueuePlace;
}

/** A Redis for the queue alone, made of several servers. */
export interface QueuePlace {
  readonly url: string;
  /** All of them, also those that are down. */
  readonly servers: readonly PrivateRedis[];
}

/** A maintenance worker as a process, with a proxy of its own between it and Redis. */
export interface HiredWorker {
  readonly cli: RunningCli;
  readonly proxy: RedisProxy;
}

/**
 * An application at work, with all that a shutdown has to deal with: a service that holds a lock, stale locks, one that
 * is too young, rotated logs, old and young keys; and its maintenance workers. Redis writes all it is told to disk.
 */
export class Scene {
  readonly app: LittleApp;
  readonly redis: PrivateRedis;
  readonly service: Service;
  /** Those that are up. */
  readonly workers: HiredWorker[] = [];
  /** Those that were killed: they could not sign off. */
  readonly killed: HiredWorker[] = [];
  /** All programs that were started, also those that have ended. */
  readonly programs: RunningCli[] = [];

  readonly queue: QueuePlace | undefined;

  #wasPutOff = false;
  readonly #clients = new Map<string, Redis>();

  private constructor(app: LittleApp, redis: PrivateRedis, service: Service, queue: QueuePlace | undefined) {
    this.app = app;
    this.redis = redis;
    this.service = service;
    this.queue = queue;
  }

  static open(options: SceneOptions = {}): Promise<Scene> {
    return inTurn(() => Scene.#open(options));
  }

  static async #open({ config = {}, workers = 1, queue }: SceneOptions): Promise<Scene> {
    const redis = await useRedis({ options: { appendonly: "yes", appendfsync: "always" } });
    const app = new LittleApp({ redisUrl: redis.url });
    const prune = [{ keys: "telegram:*", olderThan: "1h", age: [{ ttl: "24h" }] }];
    app.configure({
      redis: { url: redis.url, prune },
      ...(queue && { queue: { url: queue.url } }),
      ...config,
    });
    for (let n = 0; n < LOCKS; n++) app.write(`stale-${n}.lock`, HOUR);
    for (let n = 0; n < LOGS; n++) app.write(`logs/old-${n}.log.1`, 30 * DAY);
    app.write("young.lock", 0);
    app.write("logs/young.log.1", DAY);
    app.write("telegram.session", 60 * DAY);
    app.write("held.lock", HOUR);
    const service = await app.startService({ holds: "held.lock" });
    const scene = new Scene(app, redis, service, queue);
    await scene.writeKeys();
    onFailed((test) => keepTranscript(test, scene));
    for (let n = 0; n < workers; n++) await scene.startWorker();
    return scene;
  }

  /** What the application keeps in Redis. */
  async writeKeys(): Promise<void> {
    const keys = this.app.redis.pipeline();
    for (let n = 0; n < KEYS; n++) keys.set(`telegram:${n}`, "x", "PX", 21 * HOUR);
    keys.set("telegram:young", "x", "PX", DAY).set("other", "x");
    await keys.exec();
  }

  /** A connection to each server that is up. */
  clients(): readonly Redis[] {
    const queue = this.queue?.servers.filter((server) => server.pid() !== undefined) ?? [];
    return [this.app.redis, ...queue.map(({ url }) => this.#clientOf(url))];
  }

  #clientOf(url: string): Redis {
    const known = this.#clients.get(url);
    if (known !== undefined) return known;
    const client = useClient(url).on("error", () => {}); // its server may be killed
    this.#clients.set(url, client);
    return client;
  }

  /** `safe-shutdown worker`; resolves when it is up. */
  async startWorker(): Promise<HiredWorker> {
    const proxy = await useRedisProxy(this.redis.port);
    const worker = { proxy, cli: await this.app.startWorker({ host: HOST, redisUrl: proxy.url }) };
    this.workers.push(worker);
    this.programs.push(worker.cli);
    return worker;
  }

  /** The command of an operator, who wants the report as JSON. */
  command(...args: string[]): RunningCli {
    const words = [...args, "--yes", "--json", "--host", HOST];
    const command = this.app.startCli(words, {}, { timeoutMs: COMMAND_MS });
    this.programs.push(command);
    return command;
  }

  /** The same, met like a worker: where none is alive, it is one as long as its run takes. */
  async workingCommand(...args: string[]): Promise<RunningCli> {
    const proxy = await useRedisProxy(this.redis.port);
    const cli = this.command(...args, "--redis", proxy.url);
    this.#work({ proxy, cli });
    return cli;
  }

  /** The same on a terminal, which can be closed. */
  async commandOnTerminal(): Promise<RunningCli> {
    const proxy = await useRedisProxy(this.redis.port);
    const words = ["--yes", "--host", HOST, "--redis", proxy.url];
    const cli = this.app.startCli(words, {}, { timeoutMs: COMMAND_MS, tty: true });
    this.programs.push(cli);
    this.#work({ proxy, cli });
    return cli;
  }

  /** Works until it ends. */
  #work(worker: HiredWorker): void {
    this.workers.push(worker);
    worker.cli.result.finally(() => this.#dropWorker(worker)).catch(() => undefined);
  }

  /** The service ends when it has been asked so many times. */
  letServiceGo({ whenAsked }: { whenAsked: number }): void {
    this.service.wasAsked(whenAsked, COMMAND_MS).then(
      () => this.service.letGo(),
      () => undefined, // it ended otherwise, or the test did
    );
  }

  /** Waits for the moment and lets `fault` loose on whoever is in it. */
  async strike(moment: Moment, fault: (met: Met) => unknown): Promise<Strike> {
    if (moment.holdsService !== true) this.letServiceGo({ whenAsked: 1 });
    const met = await Promise.race([moment.comes(this), this.#endsBefore(moment)]);
    this.#wasPutOff = await putOff(() => met.held.release());
    if (this.#wasPutOff && this.programs.some(({ child }) => child.exitCode !== null)) giveUp(TOO_LATE);
    const struck = await strikeNow(this, moment);
    await fault(met);
    return struck;
  }

  /** Throws it, unless the fault was put off, so that the run may have been over before: then nothing is shown. */
  unlessTooLate(error: unknown): never {
    if (this.#wasPutOff) giveUp(TOO_LATE);
    throw error;
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(worker: HiredWorker): Promise<void> {
    worker.cli.signal("SIGKILL");
    await worker.cli.result;
    this.#dropWorker(worker);
    this.killed.push(worker);
  }

  #dropWorker(worker: HiredWorker): void {
    if (this.workers.includes(worker)) this.workers.splice(this.workers.indexOf(worker), 1);
  }

  /** Never resolves. */
  async #endsBefore({ moment }: Moment): Promise<never> {
    const { stdout, stderr } = await Promise.race(this.programs.map(({ result }) => result));
    throw new Error(`a program ended before the moment "${moment}" came:\n${stdout}\n${stderr}`);
  }
}
