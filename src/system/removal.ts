import type { Effect, Mode } from "../report/report.ts";
import { batchesOf, isList } from "./batches.ts";
import type { Clock } from "./clock.ts";
import { amountOf, bytesOf, type Condemned, planned } from "./condemned.ts";
import type { Crew } from "./crew.ts";
import type { Directories } from "./directory.ts";
import { HandOver, type LotOf } from "./hand-over.ts";
import type { Manifest } from "./manifest.ts";
import { type Prepared, prepare, type Removed, removedOf } from "./prepared.ts";
import type { Quarantine } from "./quarantine.ts";
import type { Quota } from "./quota.ts";
import { Remover, unlink } from "./remover.ts";
import type { LotAnswer } from "./sweep-orders.ts";
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
  readonly lot?: undefined;
}

interface BegunLot<One> {
  readonly lot: LotOf<One>;
  readonly swept: Promise<LotAnswer | undefined>;
}

/** What came of some. */
export interface RemovedHandful<One> {
  readonly removed: readonly Removed<One>[];
  /** What came of those that a sweeper had judged. */
  readonly lot?: LotAnswer;
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
  readonly #handOver: HandOver;

  constructor(options: RemovalOptions) {
    this.#options = options;
    this.#remover = new Remover(options.directories);
    this.#handOver = new HandOver(options);
  }

  /**
   * Removes what comes, batch by batch: written down, looked at once more, removed. Already gone counts as done.
   * Throws `refused` when a limit is reached or the manifest cannot be written; when aborted.
   */
  async *inBatches<One extends Condemned>(
    source: AsyncIterable<readonly One[] | LotOf<One>>,
    names = () => 0,
  ): AsyncGenerator<RemovedHandful<One>> {
    const { mode, clock } = this.#options;
    const turns = new Turns(clock);
    const begun: (Batch<One> | BegunLot<One>)[] = [];
    try {
      for await (const batch of batchesOf(source, mode === "plan" ? 1 : BATCH, filesIn)) {
        const begins = isList(batch) ? this.#begin(batch) : this.#beginLot(batch, names());
        const { length } = begun;
        begun.push(await begins);
        const goesOn = begun[length]?.swept !== undefined; // while the next ones come
        yield* this.#finishFirst(begun, goesOn ? AHEAD : 0, turns);
      }
    } catch (error) {
      for (const one of begun) yield await toldOf(one); // what was begun is told all the same
      throw error;
    }
    yield* this.#finishFirst(begun, 0, turns);
  }

  /** Writes down what is to go, and gives to the sweepers what they can do. */
  async #begin<One extends Condemned>(batch: readonly One[]): Promise<Batch<One>> {
    const { mode, manifest, quarantine } = this.#options;
    if (mode === "plan") return { prepared: batch.map((condemned) => ({ condemned })) };
    await this.#countEarlier();
    const { prepared, lines } = prepare(batch, manifest, quarantine);
    await manifest.record(lines);
    return { prepared, swept: this.#handOver.give(prepared, BATCH) };
  }

  /** The same for what a sweeper has judged: all of it, or one by one if there is not room for all. */
  async #beginLot<One extends Condemned>(
    lot: LotOf<One>,
    names: number,
  ): Promise<Batch<One> | BegunLot<One>> {
    await this.#countEarlier();
    this.#options.signal.throwIfAborted();
    if (!this.#handOver.takeRoomFor(lot)) return this.#begin(await lot.open());
    try {
      await this.#options.manifest.record(lot.lines);
    } catch (error) {
      this.#handOver.giveBack(lot);
      throw error;
    }
    return { lot, swept: this.#handOver.giveLot(lot, names) };
  }

  /** Finishes the first of what was begun, until no more are left than may be. */
  async *#finishFirst<One extends Condemned>(
    begun: (Batch<One> | BegunLot<One>)[],
    most: number,
    turns: Turns,
  ): AsyncGenerator<RemovedHandful<One>> {
    while (begun.length > most) {
      const first = begun.shift();
      if (first !== undefined) yield* this.#finish(first, turns);
    }
  }

  /** Acts on those that no sweeper took, or could tell of; tells of all, and of what was swept even if it throws. */
  async *#finish<One extends Condemned>(
    batch: Batch<One> | BegunLot<One>,
    turns: Turns,
  ): AsyncGenerator<RemovedHandful<One>> {
    const told = await toldOf(batch);
    if (told.removed.length > 0 || told.lot !== undefined) yield told;
    if (told.lot !== undefined) return;
    const effects = batch.lot === undefined ? await batch.swept : undefined;
    const prepared =
      batch.lot === undefined
        ? batch.prepared
        : (await batch.lot.open()).map((condemned): Prepared<One> => ({ condemned }));
    for (const one of prepared) {
      if (effects?.has(one)) continue;
      yield { removed: [{ condemned: one.condemned, effect: await this.#actAlone(one, turns) }] };
      if (turns.isDue) await turns.take();
    }
  }

  async #actAlone(one: Prepared<Condemned>, turns: Turns): Promise<Effect> {
    this.#options.signal.throwIfAborted();
    const reason = one.kept ?? (await one.condemned.lastLook?.());
    return reason === undefined ? this.#act(one, turns) : { outcome: "kept", reason };
  }

  /** Once, also where several are removed at the same time. */
  #countEarlier(): Promise<void> {
    const { manifest, quota } = this.#options;
    this.#earlier ??= manifest.earlier().then(({ files, bytes }) => quota.count(files, bytes, undefined));
    return this.#earlier;
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

/** What the sweepers did of it. */
async function toldOf<One>(batch: Batch<One> | BegunLot<One>): Promise<RemovedHandful<One>> {
  if (batch.lot === undefined) return { removed: removedOf(batch.prepared, await batch.swept) };
  const lot = await batch.swept;
  return { removed: [], ...(lot && { lot }) };
}
