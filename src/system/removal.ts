import type { Effect, Mode } from "../report/report.ts";
import { batchesOf } from "./batches.ts";
import type { Clock } from "./clock.ts";
import { amountOf, bytesOf, type Condemned, planned } from "./condemned.ts";
import type { Crew } from "./crew.ts";
import type { Directories } from "./directory.ts";
import type { Manifest } from "./manifest.ts";
import { isSimple, type Prepared, prepare, type Removed, removedOf } from "./prepared.ts";
import type { Quarantine } from "./quarantine.ts";
import type { Quota } from "./quota.ts";
import { isUntouched, Remover, unlink } from "./remover.ts";
import { Turns } from "./turns.ts";

export interface RemovalOptions {
  readonly mode: Mode;
  readonly directories: Directories;
  readonly crew: Crew;
  readonly quota: Quota;
  readonly manifest: Manifest;
  readonly quarantine: Quarantine;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface Batch<One> {
  readonly prepared: readonly Prepared<One>[];
  /** What came of those that the sweepers took; never rejects. */
  readonly swept?: Promise<ReadonlyMap<Prepared<One>, Effect>> | undefined;
}

/** How many files share one write to disk: a crash leaves at most so many lines of what was not removed, for each batch begun. */
const BATCH = 512;
/** How many batches the sweepers may be at while more are looked for: they never wait for an order. */
const AHEAD = 2;

function filesIn({ unit }: Condemned): number {
  return unit === undefined ? 1 : unit.files.length + 1;
}

/**
 * The hand that removes, for one job: only what is written in the manifest before, only what is still as it was
 * observed, through held directories, within the limits. In plan mode it only says what it would do.
 */
export class Removal {
  readonly #options: RemovalOptions;
  readonly #remover: Remover;
  #earlier: Promise<void> | undefined;
  /** There was no room for one: what comes after it must not take its place. */
  #isFull = false;

  constructor(options: RemovalOptions) {
    this.#options = options;
    this.#remover = new Remover(options.directories);
  }

  /**
   * Removes what comes, batch by batch: written down, looked at once more, removed. Already gone counts as done.
   * Throws `refused` when a limit is reached or the manifest cannot be written; when aborted.
   */
  async *inBatches<One extends Condemned>(
    source: AsyncIterable<readonly One[]>,
  ): AsyncGenerator<readonly Removed<One>[]> {
    const { mode, manifest, quarantine, clock } = this.#options;
    const turns = new Turns(clock);
    const begun: Batch<One>[] = [];
    try {
      for await (const batch of batchesOf(source, mode === "plan" ? 1 : BATCH, filesIn)) {
        if (mode === "plan") {
          yield* this.#finish({ prepared: batch.map((condemned) => ({ condemned })) }, turns);
          continue;
        }
        this.#earlier ??= this.#countEarlier(); // once, also where several are removed at the same time
        await this.#earlier;
        const { prepared, lines } = prepare(batch, manifest, quarantine);
        await manifest.record(lines);
        const swept = this.#sweep(prepared);
        begun.push({ prepared, swept });
        yield* this.#finishFirst(begun, swept === undefined ? 0 : AHEAD, turns); // else it goes on while the next ones come
      }
    } catch (error) {
      for (const { prepared, swept } of begun) yield removedOf(prepared, await swept); // what was begun is told all the same
      throw error;
    }
    yield* this.#finishFirst(begun, 0, turns);
  }

  /** Finishes the first of what was begun, until no more are left than may be. */
  async *#finishFirst<One extends Condemned>(
    begun: Batch<One>[],
    most: number,
    turns: Turns,
  ): AsyncGenerator<readonly Removed<One>[]> {
    while (begun.length > most) {
      const first = begun.shift();
      if (first !== undefined) yield* this.#finish(first, turns);
    }
  }

  /** Acts on those that no sweeper took; tells of all, and of what was swept even if it throws. */
  async *#finish<One extends Condemned>(
    { prepared, swept }: Batch<One>,
    turns: Turns,
  ): AsyncGenerator<readonly Removed<One>[]> {
    const effects = await swept;
    if (effects !== undefined) yield removedOf(prepared, effects);
    for (const one of prepared) {
      if (effects?.has(one)) continue;
      yield [{ condemned: one.condemned, effect: await this.#actAlone(one, turns) }];
      if (turns.isDue) await turns.take();
    }
  }

  async #actAlone(one: Prepared<Condemned>, turns: Turns): Promise<Effect> {
    this.#options.signal.throwIfAborted();
    const reason = one.kept ?? (await one.condemned.lastLook?.());
    return reason === undefined ? this.#act(one, turns) : { outcome: "kept", reason };
  }

  /**
   * Gives to the sweepers what they can do, as far as there is room for it; resolves with what came of each.
   * `undefined`: there are none.
   */
  #sweep<One extends Condemned>(prepared: readonly Prepared<One>[]): Batch<One>["swept"] {
    const { crew, quota, mode, signal } = this.#options;
    const { sweepers } = crew;
    if (sweepers === undefined || mode === "plan" || signal.aborted || this.#isFull) return undefined;
    const given: Prepared<One>[] = [];
    for (const one of prepared) {
      if (!isSimple(one, BATCH)) continue;
      const { rule } = one.condemned;
      const room = quota.roomFor(rule);
      const [amount, bytes] = [amountOf(one.condemned), bytesOf(one.condemned)];
      this.#isFull = amount > room.amount || bytes > room.bytes;
      if (this.#isFull) break; // it is for the last look to say whether it goes: one by one from here
      quota.count(amount, bytes, rule);
      given.push(one);
    }
    if (given.length === 0) return undefined;
    return sweepers.remove(given.map(({ condemned }) => condemned)).then((effects) => {
      const known = new Map<Prepared<One>, Effect>();
      for (const [index, one] of given.entries()) {
        const effect = effects[index];
        if (effect !== undefined) known.set(one, effect);
        if (effect !== undefined && !isUntouched(effect)) continue;
        const { condemned } = one;
        quota.count(-amountOf(condemned), -bytesOf(condemned), condemned.rule);
      }
      return known;
    });
  }

  async #countEarlier(): Promise<void> {
    const { files, bytes } = await this.#options.manifest.earlier();
    this.#options.quota.count(files, bytes, undefined);
  }

  async #act({ condemned, moveTo }: Prepared<Condemned>, turns: Turns): Promise<Effect> {
    const { entry, unit, rule } = condemned;
    if (unit !== undefined) {
      const obstacle = await turns.through(this.#remover.checkUnit(entry, unit));
      if (obstacle !== undefined) return obstacle;
    }
    let goesOn = false;
    const effect = this.#remover.guarded(entry, (at) => {
      const bytes = bytesOf(condemned);
      this.#options.quota.take(amountOf(condemned), bytes, rule);
      if (this.#options.mode === "plan") return planned(condemned, bytes);
      if (moveTo !== undefined) return this.#options.quarantine.take(entry, at, moveTo);
      if (unit === undefined) return unlink(at, entry);
      goesOn = true;
      return { outcome: "done", bytes };
    });
    if (unit === undefined || !goesOn) return effect;
    return turns.through(this.#remover.removeUnit(entry, unit));
  }
}
