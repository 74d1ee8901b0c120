import { randomUUID } from "node:crypto";
import { z } from "zod";
import { databaseOf, parseRedisUrl } from "../config/redis-url.ts";
import type { Clock } from "./clock.ts";
import type { RedisClient } from "./redis-client.ts";
import { connectRedis } from "./redis-connection.ts";

/*
 * What a Celery worker is doing, asked the way `celery inspect` asks: a message to all workers through Kombu's
 * mailbox, answered into a list made for the answer (kombu/pidbox.py, kombu/transport/redis.py). Only read-only
 * commands are sent, and what was made for the answer is taken away again.
 */

/** The tasks a worker is executing. */
export interface RunningTasks {
  readonly running: number;
  /** Of these: not acknowledged yet, so Celery delivers them again. */
  readonly unacknowledged: number;
}

const NAMESPACE = "celery.pidbox";
const REPLIES = `reply.${NAMESPACE}`;
const BINDING = `_kombu.binding.${REPLIES}`;
/** Kombu's separator of routing key, pattern and queue in a binding. */
const SEPARATOR = "\x06\x16";
/** A worker answers within milliseconds; one that does not is stuck, or shutting down already. */
const PATIENCE_MS = 1_000;

const replySchema = z.object({ body: z.string(), headers: z.object({ ticket: z.string() }) });
const statsSchema = z.record(z.string(), z.object({ pid: z.int() }));
const activeSchema = z.record(z.string(), z.array(z.object({ acknowledged: z.boolean().nullish() })));

export class CeleryTasks {
  readonly #url: string;
  readonly #mayAsk: boolean;
  readonly #clock: Clock;

  /** `url` is the broker's Redis; asking leaves a question there for a moment, so a plan may not. */
  constructor(url: string, mayAsk: boolean, clock: Clock) {
    this.#url = url;
    this.#mayAsk = mayAsk;
    this.#clock = clock;
  }

  /**
   * What the worker with this main pid is executing; `undefined` when it does not answer within a second, when
   * Redis cannot be reached, when it may not be asked, and on a Cluster, where Kombu has no broker.
   */
  async runningIn(pid: number): Promise<RunningTasks | undefined> {
    if (!this.#mayAsk || parseRedisUrl(this.#url).kind === "cluster") return undefined;
    try {
      const redis = await connectRedis(this.#url);
      try {
        return await this.#ask(redis, pid);
      } finally {
        redis.disconnect();
      }
    } catch {
      return undefined; // not knowing how many tasks run must not keep anybody from stopping them
    }
  }

  /** Tasks that workers took and did not acknowledge: Celery delivers them again after its visibility timeout. */
  async unacknowledged(): Promise<number> {
    try {
      const redis = await connectRedis(this.#url);
      try {
        return await redis.hlen("unacked");
      } finally {
        redis.disconnect();
      }
    } catch {
      return 0;
    }
  }

  async #ask(redis: RedisClient, pid: number): Promise<RunningTasks | undefined> {
    const address = randomUUID();
    const queue = `${address}.${REPLIES}`;
    const member = [address, "", queue].join(SEPARATOR);
    await redis.sadd(BINDING, member);
    try {
      const topic = `/${databaseOf(this.#url)}.${NAMESPACE}`;
      await redis.publish(topic, request("stats", address));
      const listeners = await redis.publish(topic, request("active", address));
      return listeners === 0 ? undefined : await this.#collect(redis, queue, pid);
    } finally {
      await redis.multi().srem(BINDING, member).del(queue).exec();
    }
  }

  /** Answers come from every worker, in any order; the one that matters is known by its pid. */
  async #collect(redis: RedisClient, queue: string, pid: number): Promise<RunningTasks | undefined> {
    const deadlineMs = this.#clock.elapsed() + PATIENCE_MS;
    let node: string | undefined;
    const active = new Map<string, RunningTasks>();
    while (this.#clock.elapsed() < deadlineMs) {
      const [, text] = (await redis.brpop(queue, 0.1)) ?? [];
      if (text !== undefined) note(text);
      const tasks = node === undefined ? undefined : active.get(node);
      if (tasks !== undefined) return tasks;
    }
    return undefined;

    function note(text: string): void {
      const { body, headers } = replySchema.parse(JSON.parse(text));
      const value: unknown = JSON.parse(Buffer.from(body, "base64").toString("utf8"));
      if (headers.ticket === "stats") {
        for (const [name, stats] of Object.entries(statsSchema.parse(value)))
          if (stats.pid === pid) node = name;
        return;
      }
      for (const [name, tasks] of Object.entries(activeSchema.parse(value))) {
        const unacknowledged = tasks.filter(({ acknowledged }) => acknowledged !== true).length;
        active.set(name, { running: tasks.length, unacknowledged });
      }
    }
  }
}

/** A message of Kombu's virtual transport; the ticket comes back with the answer. */
function request(method: "stats" | "active", address: string): string {
  const body = {
    method,
    arguments: {},
    destination: null,
    pattern: null,
    matcher: null,
    ticket: method,
    reply_to: { exchange: REPLIES, routing_key: address },
  };
  return JSON.stringify({
    body: Buffer.from(JSON.stringify(body)).toString("base64"),
    "content-encoding": "utf-8",
    "content-type": "application/json",
    headers: { clock: 1, expires: 0 },
    properties: {
      body_encoding: "base64",
      delivery_info: { exchange: NAMESPACE, routing_key: "" },
      delivery_mode: 1,
      delivery_tag: randomUUID(),
      priority: 0,
    },
  });
}
