import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { databaseOf, parseRedisUrl } from "../config/redis-url.ts";
import { isNodeOf } from "./celery-node.ts";
import { parseReply, type RunningTasks } from "./celery-reply.ts";
import type { Clock } from "./clock.ts";
import type { Process } from "./proc.ts";
import type { RedisClient } from "./redis-client.ts";
import { connectRedis } from "./redis-connection.ts";

/*
 * What a Celery worker is doing, asked the way `celery inspect` asks: a message to all workers through Kombu's
 * mailbox, answered into a list made for the answer (kombu/pidbox.py, kombu/transport/redis.py). Only read-only
 * commands are sent, and what was made for the answer is taken away again.
 */

const NAMESPACE = "celery.pidbox";
const REPLIES = `reply.${NAMESPACE}`;
const BINDING = `_kombu.binding.${REPLIES}`;
/** Kombu's separator of routing key, pattern and queue in a binding. */
const SEPARATOR = "\x06\x16";
/** A worker answers within milliseconds; one that does not is stuck, or shutting down already. */
const PATIENCE_MS = 1_000;

/** The main process of a worker. */
type Worker = Pick<Process, "pid" | "commandLine">;

/** What may be done at the broker: asking leaves a question there for a moment, reading leaves nothing. */
export type BrokerAccess = "ask" | "read" | "none";

export class CeleryTasks {
  readonly #url: string;
  readonly #access: BrokerAccess;
  readonly #clock: Clock;

  /** `url` is the broker's Redis. On a Cluster, where Kombu has no broker, nothing is done. */
  constructor(url: string, access: BrokerAccess, clock: Clock) {
    this.#url = url;
    this.#access = parseRedisUrl(url).kind === "cluster" ? "none" : access;
    this.#clock = clock;
  }

  /**
   * What the worker with this main process is executing; `undefined` when it does not answer within a second, when
   * Redis cannot be reached, and when it may not be asked.
   */
  async runningIn(worker: Worker): Promise<RunningTasks | undefined> {
    if (this.#access !== "ask") return undefined;
    try {
      const redis = await connectRedis(this.#url);
      try {
        return await this.#ask(redis, worker);
      } finally {
        redis.disconnect();
      }
    } catch {
      return undefined; // not knowing how many tasks run must not keep anybody from stopping them
    }
  }

  /**
   * How many tasks all workers of this broker, on whichever host, have taken and not acknowledged; `undefined` when
   * Redis cannot be reached, or may not be read.
   */
  async unacknowledged(): Promise<number | undefined> {
    if (this.#access === "none") return undefined;
    try {
      const redis = await connectRedis(this.#url);
      try {
        return await redis.hlen("unacked");
      } finally {
        redis.disconnect();
      }
    } catch {
      return undefined; // what is stopped is stopped, whether it can be counted or not
    }
  }

  async #ask(redis: RedisClient, worker: Worker): Promise<RunningTasks | undefined> {
    const address = randomUUID();
    const queue = `${address}.${REPLIES}`;
    const member = [address, "", queue].join(SEPARATOR);
    await redis.sadd(BINDING, member);
    try {
      const topic = `/${databaseOf(this.#url)}.${NAMESPACE}`;
      await redis.publish(topic, request("stats", address));
      const listeners = await redis.publish(topic, request("active", address));
      return listeners === 0 ? undefined : await this.#collect(redis, queue, worker);
    } finally {
      await redis.multi().srem(BINDING, member).del(queue).exec();
    }
  }

  /** Answers come from every worker of the broker, in any order, also from other hosts. */
  async #collect(redis: RedisClient, queue: string, worker: Worker): Promise<RunningTasks | undefined> {
    const deadlineMs = this.#clock.elapsed() + PATIENCE_MS;
    let node: string | undefined;
    const active = new Map<string, RunningTasks>();
    while (this.#clock.elapsed() < deadlineMs) {
      const [, text = ""] = (await redis.brpop(queue, 0.1)) ?? [];
      for (const answer of parseReply(text)) {
        if (answer.to === "active") active.set(answer.node, answer.tasks);
        else if (answer.pid === worker.pid && isNodeOf(answer.node, worker, hostname())) node = answer.node;
      }
      const tasks = node === undefined ? undefined : active.get(node);
      if (tasks !== undefined) return tasks;
    }
    return undefined;
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
