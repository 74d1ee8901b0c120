import { messageOf, SafeShutdownError } from "../errors.ts";
import type { Mode } from "../report/report.ts";
import type { Clock } from "./clock.ts";
import type { KeyRoom } from "./key-room.ts";
import type { KeepReason, PrunePage } from "./prune-pass.ts";

/*
 * A scan sees every key of a server that stays. When keys go from one server to another, or a replica takes the place
 * of its master, keys may be passed over or seen twice. So a pass during which that happened is followed by another,
 * until one had rest. A removed key is gone and counts when it goes; what was kept counts once, in the last pass.
 */

interface Place {
  /** Equal before and after a pass: nothing moved. `undefined`: something is on the move. */
  topology(): Promise<string | undefined>;
  /** One pass over all keys. */
  pages(): AsyncGenerator<PrunePage>;
}

export interface SteadyOptions {
  readonly mode: Mode;
  readonly room: KeyRoom;
  /** The servers as they are now; after the first time, as soon as there are any. */
  open(): Promise<Place>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Whether another server may soon be there instead of the one that failed so. */
  isFailover(error: unknown): boolean;
}

const MOST_PASSES = 10;
/** Between two passes; twice as long each time, to let the Cluster come to rest: a minute and a half in all. */
const FIRST_REST_MS = 250;
const LONGEST_REST_MS = 30_000;

/** Passes over all keys until one had rest. Throws `partial` after ten, and what is no failover. */
export async function* steadily(options: SteadyOptions): AsyncGenerator<PrunePage> {
  const { mode, room, clock, signal, open, isFailover } = options;
  let given = 0;
  let last: unknown;
  for (let count = 1; count <= MOST_PASSES; count += 1) {
    const givenBefore = given;
    let held = NOTHING;
    try {
      const place = await open();
      const before = await place.topology();
      for await (const page of place.pages()) {
        const { now, later } = split(page, mode);
        held = sum(held, later);
        given += now.givenTtl;
        yield now;
      }
      const isMoving = held.kept.has("moving") || before === undefined;
      if (!isMoving && before === (await place.topology())) {
        yield withoutGiven(held, givenBefore);
        return;
      }
      last = new Error("slots moved from one server to another all the time");
    } catch (error) {
      if (!isFailover(error) || count === MOST_PASSES) {
        yield held;
        throw error;
      }
      last = error;
    }
    room.forget(held);
    await clock.sleep(Math.min(FIRST_REST_MS * 2 ** (count - 1), LONGEST_REST_MS), signal);
    signal.throwIfAborted();
  }
  const why = messageOf(last);
  throw new SafeShutdownError("partial", `not one of ${MOST_PASSES} passes over the keys had rest: ${why}`);
}

const NOTHING: PrunePage = {
  ...{ matched: 0, removed: 0, bytes: 0, givenTtl: 0, endless: 0, scanned: 0, heldMs: 0 },
  kept: new Map(),
};

/** What counts now, and what counts only when the pass had rest. In a plan nothing goes, so that nothing counts yet. */
function split(page: PrunePage, mode: Mode): { now: PrunePage; later: PrunePage } {
  const { removed, bytes, givenTtl, scanned, heldMs, matched, kept, endless } = page;
  if (mode === "plan")
    return { now: { ...NOTHING, scanned, heldMs }, later: { ...page, scanned: 0, heldMs: 0 } };
  const gone = removed + givenTtl;
  return {
    now: { ...NOTHING, matched: gone, removed, bytes, givenTtl, scanned, heldMs },
    later: { ...NOTHING, matched: matched - gone, kept, endless },
  };
}

function sum(a: PrunePage, b: PrunePage): PrunePage {
  const kept = new Map(a.kept);
  for (const [reason, keys] of b.kept) kept.set(reason, (kept.get(reason) ?? 0) + keys);
  return {
    matched: a.matched + b.matched,
    removed: a.removed + b.removed,
    bytes: a.bytes + b.bytes,
    givenTtl: a.givenTtl + b.givenTtl,
    endless: a.endless + b.endless,
    scanned: a.scanned + b.scanned,
    heldMs: Math.max(a.heldMs, b.heldMs),
    kept,
  };
}

/** What earlier passes of this run gave a TTL was found in the last pass too, as given before. */
function withoutGiven(page: PrunePage, before: number): PrunePage {
  const given = page.kept.get("given") ?? 0;
  if (given === 0 || before === 0) return page;
  const kept = new Map<KeepReason, number>(page.kept).set("given", Math.max(0, given - before));
  return { ...page, kept };
}
