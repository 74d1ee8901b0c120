import { z } from "zod";
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
  host: z.string(),
  pid: z.int(),
  /** Tells workers of one process apart. */
  id: z.string(),
  version: z.string(),
  /** Tells whether two workers have the same config. */
  fingerprint: z.string(),
  root: z.string(),
  /** ISO 8601. */
  since: z.string(),
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
  const beats = await queues.redis.mget(names.map((name) => queues.key("worker", name)));
  return beats
    .flatMap((text) => {
      const parsed = workerSchema.safeParse(parseJson(text));
      return parsed.success ? [parsed.data] : [];
    })
    .toSorted((a, b) => a.host.localeCompare(b.host) || a.pid - b.pid);
}

export async function liveHosts(queues: Queues): Promise<ReadonlySet<string>> {
  return new Set((await liveWorkers(queues)).map(({ host }) => host));
}

function nameOf({ host, pid, id }: WorkerInfo): string {
  return `${host}:${pid}:${id}`;
}

function parseJson(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined; // somebody else wrote there: no worker of ours
  }
}
