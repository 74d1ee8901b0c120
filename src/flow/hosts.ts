import { z } from "zod";
import { NAME } from "../config/schema.ts";
import type { Queues } from "./queues.ts";

/*
 * Which workers are alive: each one keeps a key that expires by itself. Connections are not counted, because a
 * stopped process keeps its connections, and an ACL may hide them.
 */

export const HEARTBEAT_MS = 5_000;
const EXPIRY_MS = 15_000;
/** After this, the name of a worker that is gone is forgotten. */
const MEMORY_MS = 86_400_000;

const workerSchema = z.object({
  host: z.string().regex(NAME),
  pid: z.int(),
  /** Tells workers of one process apart. */
  id: z.string().regex(NAME),
  version: z.string().regex(/^[\w.+-]{1,64}$/),
  /** Tells whether two workers have the same config. */
  fingerprint: z.string().regex(/^[0-9a-f]{12}$/),
  root: z.string(),
  /** ISO 8601. */
  since: z.iso.datetime(),
  /** A command that works only as long as its own run takes. */
  isCommand: z.boolean(),
});
export type WorkerInfo = Readonly<z.output<typeof workerSchema>>;

export async function beat(queues: Queues, worker: WorkerInfo, nowMs: number): Promise<void> {
  const name = nameOf(worker);
  await queues.redis
    .multi()
    .set(queues.key("worker", name), JSON.stringify(worker), "PX", EXPIRY_MS)
    .zadd(queues.key("workers"), nowMs, name)
    .zremrangebyscore(queues.key("workers"), "-inf", nowMs - MEMORY_MS)
    .exec();
}

export async function signOff(queues: Queues, worker: WorkerInfo): Promise<void> {
  const name = nameOf(worker);
  await queues.redis.multi().del(queues.key("worker", name)).zrem(queues.key("workers"), name).exec();
}

/** Every live worker of the app, sorted by host. */
export async function liveWorkers(queues: Queues): Promise<WorkerInfo[]> {
  const names = await queues.redis.zrange(queues.key("workers"), "0", "-1");
  if (names.length === 0) return [];
  const pipeline = queues.redis.pipeline();
  for (const name of names) pipeline.get(queues.key("worker", name)).pttl(queues.key("worker", name));
  const answers = ((await pipeline.exec()) ?? []).map(([, answer]) => answer);
  return names
    .flatMap((_, index) => {
      const parsed = workerSchema.safeParse(parseJson(answers[2 * index]));
      const ttlMs = Number(answers[2 * index + 1]);
      return parsed.success && isBeating(ttlMs) ? [parsed.data] : [];
    })
    .toSorted((a, b) => a.host.localeCompare(b.host) || a.pid - b.pid);
}

export async function liveHosts(queues: Queues): Promise<ReadonlySet<string>> {
  return new Set((await liveWorkers(queues)).map(({ host }) => host));
}

function nameOf({ host, pid, id }: WorkerInfo): string {
  return `${host}:${pid}:${id}`;
}

/** A heartbeat that does not expire is none of ours: it would make a dead host look alive for ever. */
function isBeating(ttlMs: number): boolean {
  return ttlMs > 0 && ttlMs <= EXPIRY_MS;
}

function parseJson(text: unknown): unknown {
  try {
    return typeof text === "string" ? JSON.parse(text) : undefined;
  } catch {
    return undefined; // somebody else wrote there: no worker of ours
  }
}
