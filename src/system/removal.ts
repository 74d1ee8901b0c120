import type { Effect, Mode } from "../report/report.ts";
import { batchesOf, isList } from "./batches.ts";
import type { Clock } from "./clock.ts";
import { amountOf, bytesOf, type Condemned, planned } from "./condemned.ts";
import type { Crew } from "./crew.ts";
import type { Directories } from "./directory.ts";
import { HandOver } from "./hand-over.ts";
import type { Manifest } from "./manifest.ts";
import { type Prepared, prepare, type RemovedHandful } from "./prepared.ts";
import type { Quarantine } from "./quarantine.ts";
import type { Quota } from "./quota.ts";
import { Remover, unlink } from "./remover.ts";
import type { Lot } from "./swath.ts";
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

/** What was begun, in order. */
interface Begun {
  readonly prepared: readonly Prepared[];
  /** What the sweepers do while more is looked for, and what they leave. `undefined`: they have nothing of it. */
  readonly swept?: ReturnType<HandOver["give"]>;
}

/** How many files share one write to disk: a crash leaves at most so many lines of what was not removed, for each batch begun. */
const BATCH = 512;
/** How many batches and lots the sweepers may be at while more are looked for: they never wait for an order. */
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
   * Removes what comes, batch by batch: written down, looked at once more, removed. Already gone counts as done. `names`:
   * how many of a lot that just went are to be named. Throws `refused` when a limit is reached or the manifest cannot be
   * written; when aborted.
   */
  async *inBatches(
    source: AsyncIterable<readonly Condemned[] | Lot>,
    names = () => 0,
  ): AsyncGenerator<RemovedHandful> {
    const { mode, clock } = this.#options;
    const turns = new Turns(clock);
    const begun: Begun[] = [];
    try {
      for await (const batch of batchesOf(source, mode === "plan" ? 1 : BATCH, filesIn)) {
        const one = await (isList(batch) ? this.#begin(batch) : this.#beginLot(batch, names()));
        begun.push(one);
        yield* this.#finishFirst(begun, one.swept === undefined ? 0 : AHEAD, turns);
      }
    } catch (error) {
      for (const { swept } of begun) if (swept !== undefined) yield (await swept).told; // what was begun is told all the same
      throw error;
    }
    yield* this.#finishFirst(begun, 0, turns);
  }

  /** Writes down what is to go, and gives to the sweepers what they can do. */
  async #begin(batch: readonly Condemned[]): Promise<Begun> {
    const { mode, manifest, quarantine } = this.#options;
    if (mode === "plan") return { prepared: batch.map((condemned) => ({ condemned })) };
    await this.#countEarlier();
    const { prepared, lines } = prepare(batch, manifest, quarantine);
    await manifest.record(lines);
    return { prepared, swept: this.#handOver.give(prepared, BATCH) };
  }

  /** The same for what a sweeper has judged. Where there is no room for all of it, it is for the last look to say what goes. */
  async #beginLot(lot: Lot, names: number): Promise<Begun> {
    const { manifest, signal } = this.#options;
    await this.#countEarlier();
    if (!this.#handOver.takeRoomFor(lot)) return this.#begin(await lot.open());
    await manifest.record(lot.lines);
    signal.throwIfAborted();
    return { prepared: [], swept: this.#handOver.giveLot(lot, names) };
  }

  /** Finishes the first of what was begun, until no more are left than may be. */
  async *#finishFirst(begun: Begun[], most: number, turns: Turns): AsyncGenerator<RemovedHandful> {
    while (begun.length > most) {
      const first = begun.shift();
      if (first !== undefined) yield* this.#finish(first, turns);
    }
  }

  /** Acts on those that no sweeper took, or could tell of; tells of all, and of what was swept even if it throws. */
  async *#finish({ prepared, swept }: Begun, turns: Turns): AsyncGenerator<RemovedHandful> {
    const known = await swept;
    if (known !== undefined) yield known.told;
    for (const one of (await known?.left()) ?? prepared) {
      yield { removed: [{ condemned: one.condemned, effect: await this.#actAlone(one, turns) }] };
      if (turns.isDue) await turns.take();
    }
  }

  async #actAlone(one: Prepared, turns: Turns): Promise<Effect> {
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

  async #act({ condemned, moveTo }: Prepared, turns: Turns): Promise<Effect> {
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
