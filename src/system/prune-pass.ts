import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import { messageOf } from "../errors.ts";
import type { KeyRoom } from "./key-room.ts";
import type { Pace, ServerWork } from "./pace.ts";
import { PRUNE_PAGE } from "./prune-script.ts";

/** Why a key that a rule matches was kept. */
export type KeepReason =
  | "young"
  | "used"
  | "unproved"
  | "given"
  | "queue"
  | "unready"
  | "group"
  | "large"
  | "protected"
  | "moving"
  | "limit";

/** What one script call did; counts of keys. */
export interface PrunePage {
  readonly matched: number;
  readonly removed: number;
  /** Memory of the removed keys, as MEMORY USAGE measures it; of many, of every sixteenth, times 16. */
  readonly bytes: number;
  /** Keys with no TTL and no provable age that were given a TTL. */
  readonly givenTtl: number;
  /** Results of Celery that have no TTL, whatever became of them. */
  readonly endless: number;
  readonly kept: ReadonlyMap<KeepReason, number>;
  /** How long the call held Redis; from 7.2 on the processor time that it took there. */
  readonly heldMs: number;
  /** How many keys the scan passed, matching or not: as good as its cursor tells, exact at the end of a pass. */
  readonly scanned: number;
}

/** All keys, or one half of them beside somebody who has the other. */
type Part = "all" | "even" | "odd";

export interface PassOptions {
  /** The rule as the script takes it. */
  readonly intent: Readonly<Record<string, unknown>>;
  readonly part: Part;
  /** How many keys there are in all, matching or not. */
  readonly size: number;
  /** How long all calls that are on their way may hold Redis. */
  readonly latencyBudgetMs: number;
  readonly room: KeyRoom;
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

const SHA = createHash("sha1").update(PRUNE_PAGE).digest("hex");

/** One pass over the keys of one server, page by page. Ends early behind a page that reached a limit. Throws when aborted. */
export async function* pass(server: Redis, options: PassOptions): AsyncGenerator<PrunePage> {
  const { intent, part, size, latencyBudgetMs, room, pace, signal } = options;
  const half = Math.floor(size / 2);
  const end = part === "even" ? half : size;
  let scanned = part === "odd" ? half : 0;
  let cursor = part === "odd" ? "1" : "0";
  let left: readonly Buffer[] = [];
  let removedBefore = 0;
  const nextPage = async (share: number): Promise<PrunePage> => {
    const { keys: amount, bytes } = await room.borrow();
    let page: PrunePage | undefined;
    try {
      const budgetMicros = 1_000 * latencyBudgetMs * share;
      const rule = JSON.stringify({ ...intent, part, budgetMicros, removedBefore });
      const answer = await call(server, [cursor, rule, amount, bytes ?? "", ...left]);
      cursor = answer.cursor;
      left = answer.left;
      const behind = cursor === "done" ? end : Math.floor(size * shareBehind(cursor, size));
      page = { ...answer.page, scanned: Math.max(0, behind - scanned) };
    } finally {
      room.settle(amount, page);
    }
    removedBefore += page.removed;
    scanned += page.scanned;
    return page;
  };
  do {
    const page = await pace.next(nextPage, signal);
    yield page;
    if (page.kept.has("limit")) return;
  } while (cursor !== "done" || left.length > 0);
}

/** The processor time of the thread that answers, where the server tells (since Redis 7.0); else of all. */
export async function workOf(server: Redis): Promise<ServerWork> {
  const info = (await Promise.all([server.info("cpu"), server.info("stats")])).join("\n");
  const number = (name: string) => Number(new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]);
  const ofThread = number("used_cpu_user_main_thread") + number("used_cpu_sys_main_thread");
  const cpuSeconds = Number.isNaN(ofThread) ? number("used_cpu_user") + number("used_cpu_sys") : ofThread;
  return { cpuSeconds, requests: number("total_reads_processed") };
}

/** By its hash, so that the script travels once; the names of keys may be any bytes. */
async function call(server: Redis, args: readonly (string | number | Buffer)[]) {
  try {
    return parse(await server.callBuffer("EVALSHA", SHA, 0, ...args));
  } catch (error) {
    if (!messageOf(error).startsWith("NOSCRIPT")) throw error;
    return parse(await server.callBuffer("EVAL", PRUNE_PAGE, 0, ...args));
  }
}

type Answer = [Buffer, number[], (Buffer | number)[], Buffer[], number];

function parse(answer: unknown): { cursor: string; left: Buffer[]; page: Omit<PrunePage, "scanned"> } {
  const [cursor, counts, reasons, left, micros] = answer as Answer;
  const [matched = 0, removed = 0, bytes = 0, givenTtl = 0, endless = 0] = counts.map(Number);
  const kept = new Map<KeepReason, number>();
  for (let i = 0; i < reasons.length; i += 2) {
    kept.set(String(reasons[i]) as KeepReason, Number(reasons[i + 1]));
  }
  return {
    cursor: String(cursor),
    left,
    page: { matched, removed, bytes, givenTtl, endless, kept, heldMs: Number(micros) / 1_000 },
  };
}

/**
 * Redis scans its hash table in the order of the reversed bits of the bucket's number (dictScan), so the cursor tells
 * how much of the table is done, given the table's size: a power of two, at least the number of keys.
 */
export function shareBehind(cursor: string, keys: number): number {
  const bucket = BigInt(cursor);
  const bits = Math.max(bucket.toString(2).length, Math.ceil(Math.log2(Math.max(2, keys))));
  const reversed = bucket.toString(2).padStart(bits, "0").split("").reverse().join("");
  return Number.parseInt(reversed, 2) / 2 ** bits;
}
