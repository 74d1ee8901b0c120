import { z } from "zod";
import { atMost } from "../config/lengths.ts";
import { NAME } from "../config/schema.ts";
import { readProcess } from "../system/proc.ts";
import type { Queues } from "./queues.ts";
import { parseStored } from "./stored.ts";

/*
 * Which workers are alive: each one keeps a key that expires by itself. Connections are not counted, because a
 * stopped process keeps its connections, and an ACL may hide them.
 */

export const HEARTBEAT_MS = 5_000;
const EXPIRY_MS = 15_000;
/** A heartbeat that was left behind is gone after this time. */
export const HEARTBEAT_GONE_MS = EXPIRY_MS + 1_000;
/** After this, the name of a worker or a host that is gone is forgotten. */
const MEMORY_MS = 86_400_000;
/** More than any fleet has; whoever writes to Redis cannot make a run larger than this. */
const MAX_HOSTS = 10_000;
/** How many heartbeats are read at once: reading them all must not hold the event loop up. */
const PAGE = 500;

const workerSchema = z.object({
  host: z.string().regex(NAME),
  pid: z.int(),
  /** Tells workers of one process apart. */
  id: z.string().regex(NAME),
  version: z.string().regex(/^[\w.+-]{1,64}$/),
  /** Tells whether two workers have the same config. */
  fingerprint: z.string().regex(/^[0-9a-f]{12}$/),
  root: z.string(),
  /** Tells machines of one name apart. */
  machine: z.string().check(atMost(64)).default(""),
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
  if (worker.isCommand) return;
  await queues.redis
    .multi()
    .zadd(queues.key("hosts"), nowMs, worker.host)
    .zremrangebyscore(queues.key("hosts"), "-inf", nowMs - MEMORY_MS)
    .exec();
}

/** A worker that ends in good order leaves no trace; its host is gone too, unless another worker of it is alive. */
export async function signOff(queues: Queues, worker: WorkerInfo, nowMs: number): Promise<void> {
  const name = nameOf(worker);
  await queues.redis.multi().del(queues.key("worker", name)).zrem(queues.key("workers"), name).exec();
  const others = (await liveWorkers(queues, nowMs)).filter(
    (one) => !one.isCommand && one.host === worker.host,
  );
  // the heartbeat of one that was killed lasts a little longer than it did
  const isLastOne = others.every(
    (one) => one.machine === worker.machine && readProcess(one.pid) === undefined,
  );
  if (!worker.isCommand && isLastOne) await queues.redis.zrem(queues.key("hosts"), worker.host);
}

/** Every live worker of the app, sorted by host. */
export async function liveWorkers(queues: Queues, nowMs: number): Promise<WorkerInfo[]> {
  const names = (await lastSeen(queues, "workers", nowMs)).map(([name]) => name);
  const workers: WorkerInfo[] = [];
  for (let from = 0; from < names.length; from += PAGE) {
    workers.push(...(await beatingOf(queues, names.slice(from, from + PAGE))));
  }
  return workers.toSorted((a, b) => a.host.localeCompare(b.host) || a.pid - b.pid);
}

async function beatingOf(queues: Queues, names: readonly string[]): Promise<WorkerInfo[]> {
  const pipeline = queues.redis.pipeline();
  for (const name of names) pipeline.get(queues.key("worker", name)).pttl(queues.key("worker", name));
  const answers = ((await pipeline.exec()) ?? []).map(([error, answer]) => {
    if (error !== null) throw error; // whoever cannot be seen must not be taken for dead
    return answer;
  });
  return names.flatMap((_, index) => {
    const worker = parseStored(workerSchema, answers[2 * index]);
    const ttlMs = Number(answers[2 * index + 1]);
    return worker !== undefined && isBeating(ttlMs) ? [worker] : [];
  });
}

/**
 * The names of one kind and when each was seen, newest first, no more than any fleet has. A clock may be wrong by hours;
 * what is further ahead was planted, and does not stand before the others.
 */
async function lastSeen(
  queues: Queues,
  kind: "workers" | "hosts",
  nowMs: number,
): Promise<[name: string, atMs: number][]> {
  const [latest, earliest] = [String(nowMs + MEMORY_MS), String(nowMs - MEMORY_MS)];
  const newest = ["BYSCORE", "REV", "LIMIT", 0, MAX_HOSTS, "WITHSCORES"] as const;
  const answers = await queues.redis.zrange(queues.key(kind), latest, earliest, ...newest);
  const seen: [string, number][] = [];
  for (let index = 0; index < answers.length; index += 2)
    seen.push([answers[index] ?? "", Number(answers[index + 1])]);
  return seen;
}

export async function liveHosts(queues: Queues, nowMs: number): Promise<ReadonlySet<string>> {
  return new Set((await liveWorkers(queues, nowMs)).map(({ host }) => host));
}

/** The hosts of which a worker was seen within that time and did not sign off. */
export async function hostsSeenWithin(
  ms: number,
  queues: Queues,
  nowMs: number,
): Promise<ReadonlySet<string>> {
  const seen = await lastSeen(queues, "workers", nowMs);
  return new Set(seen.flatMap(([name, atMs]) => (nowMs - atMs <= ms ? [hostIn(name)] : [])));
}

/** A host that runs a maintenance worker, or did until it died. */
export interface KnownHost {
  readonly host: string;
  /** ISO 8601. */
  readonly lastSeen: string;
}

/**
 * The hosts of the fleet: those whose worker beats, and those whose worker was seen within a day and did not sign
 * off, since a worker that has died must not make its host forgotten. Sorted; commands do not count.
 */
export async function fleet(queues: Queues, nowMs: number): Promise<KnownHost[]> {
  return (await lastSeen(queues, "hosts", nowMs))
    .filter(([host]) => NAME.test(host))
    .map(([host, atMs]) => ({ host, lastSeen: new Date(atMs).toISOString() }))
    .toSorted((a, b) => a.host.localeCompare(b.host));
}

/** The names of the hosts of the fleet. */
export async function knownHosts(queues: Queues, nowMs: number): Promise<string[]> {
  return (await fleet(queues, nowMs)).map(({ host }) => host);
}

function nameOf({ host, pid, id }: WorkerInfo): string {
  return `${host}:${pid}:${id}`;
}

function hostIn(name: string): string {
  return name.split(":", 1)[0] ?? "";
}

/** A heartbeat that does not expire is none of ours: it would make a dead host look alive for ever. */
function isBeating(ttlMs: number): boolean {
  return ttlMs > 0 && ttlMs <= EXPIRY_MS;
}
