import type { Config } from "./config.ts";
import { matchesRedisGlob, redisGlobsOverlap, tailAfterLastStar } from "./redis-glob.ts";

/** The keys no prune rule may touch, as plain text, so that a script in the server can check them again. */
export interface ProtectedKeys {
  readonly prefixes: readonly string[];
  readonly suffixes: readonly string[];
  readonly exact: readonly string[];
  /** Behind a prefix that only the application knows: for the script alone, which sees the whole key. */
  readonly anywhere: { readonly suffixes: readonly string[]; readonly parts: readonly string[] };
}

/** Kombu's separator between a queue's name and its priority: `celery\x06\x163` (kombu/transport/redis.py). */
const PRIORITY_SEPARATOR = "\x06\x16";

/** Kombu's bindings and unacknowledged messages, this program's queues, BullMQ's default prefix. */
const PREFIXES = ["_kombu.binding.", "unacked", "{safe-shutdown-", "bull:"];

/** Celery's remote control mailboxes (kombu/pidbox.py): a node's own, and a reply queue with a UUID. */
const SUFFIXES = [".pidbox"];
/** With `global_keyprefix` Kombu puts the application's prefix before its own names. */
const PREFIXED = { suffixes: ["unacked", "unacked_index", "unacked_mutex"], parts: ["_kombu.binding."] };
const MAILBOXES = [
  "celery@host.celery.pidbox",
  "0f2c8a1e-6b7d-3c44-9d11-5a0e7f3b2c96.reply.celery.pidbox",
  "celery.pidbox",
];

/** Every key that belongs to the broker or to a queue: Celery's, BullMQ's and this program's own. */
export function protectedKeysOf(config: {
  readonly redis: Pick<Config["redis"], "brokerQueues">;
}): ProtectedKeys {
  const queues = config.redis.brokerQueues;
  return {
    prefixes: [...PREFIXES, ...queues.map((queue) => queue + PRIORITY_SEPARATOR)],
    suffixes: SUFFIXES,
    anywhere: { suffixes: PREFIXED.suffixes, parts: PREFIXED.parts },
    exact: queues,
  };
}

/** Of the protected keys those that a glob can match at all, for a script that checks every key again. */
export function guardFor(
  keys: string,
  guard: ProtectedKeys,
): Record<"prefixes" | "suffixes" | "parts" | "exact", string[]> {
  const overlaps = (before: string, text: string, after: string) =>
    redisGlobsOverlap(keys, `${before}${escapeGlob(text)}${after}`);
  return {
    prefixes: guard.prefixes.filter((one) => overlaps("", one, "*")),
    suffixes: [...guard.suffixes, ...guard.anywhere.suffixes].filter((one) => overlaps("*", one, "")),
    parts: guard.anywhere.parts.filter((one) => overlaps("*", one, "*")),
    exact: guard.exact.filter((one) => matchesRedisGlob(keys, one)),
  };
}

/** Which protected keys the glob of a prune rule could match, as a glob to show; `undefined`: none. */
export function protectedMatch(keys: string, guard: ProtectedKeys): string | undefined {
  const name = guard.exact.find((one) => matchesRedisGlob(keys, one));
  if (name !== undefined) return name;
  const prefix = guard.prefixes.find((one) => redisGlobsOverlap(keys, `${escapeGlob(one)}*`));
  if (prefix !== undefined) return `${printable(prefix)}*`;
  const suffix = guard.suffixes.find((one) => aimsAt(keys, one));
  return suffix === undefined ? undefined : `*${suffix}`;
}

/**
 * Whether a glob is about keys that end so. Any `x*` overlaps `*.pidbox`, so overlap alone does not decide:
 * the glob must match a mailbox as Celery names them, or say the ending itself.
 */
function aimsAt(keys: string, suffix: string): boolean {
  if (MAILBOXES.some((mailbox) => mailbox.endsWith(suffix) && matchesRedisGlob(keys, mailbox))) return true;
  const tail = tailAfterLastStar(keys);
  const ending = escapeGlob(suffix.replace(/^\./, ""));
  return redisGlobsOverlap(tail ?? keys, tail === undefined ? `*${escapeGlob(suffix)}` : `*${ending}`);
}

function escapeGlob(text: string): string {
  return text.replaceAll(/[*?[\]\\^-]/g, "\\$&");
}

function printable(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
