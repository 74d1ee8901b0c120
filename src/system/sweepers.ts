import { availableParallelism } from "node:os";
import type { Effect } from "../report/report.ts";
import { bytesOf, type Condemned } from "./condemned.ts";
import type { Contents } from "./contents.ts";
import type { FileEntry } from "./file-entry.ts";
import { packEntries, unpackEntries } from "./packed-entries.ts";
import type { SweepOrder, WalkAnswer } from "./sweep.ts";
import { Sweeper, SweeperLost } from "./sweeper.ts";

const MOST = 4;

/** What a sweeper found, in the words of `walk`. */
export interface Swept {
  readonly entries: readonly { readonly rule: number; readonly entry: FileEntry }[];
  readonly kept: WalkAnswer["kept"];
  readonly contents: ReadonlyMap<FileEntry, Contents>;
  readonly pending: readonly string[];
  readonly large: readonly string[];
}

/** A sweeper for each processor, at most four. When one is lost the others do its work; when all are, nobody does. */
export class Sweepers {
  readonly #sweepers: Sweeper[];

  constructor(order: SweepOrder, onLost: (why: string) => void) {
    const amount = Math.min(MOST, availableParallelism());
    this.#sweepers = Array.from({ length: amount }, () => new Sweeper(order, onLost));
  }

  /** How many there still are. */
  get amount(): number {
    return this.#sweepers.filter(({ isLost }) => !isLost).length;
  }

  /** Walks directories, as far as one answer goes; `undefined`: nobody could, and nothing was done. */
  async walk(paths: readonly string[]): Promise<Swept | undefined> {
    const answer = await this.#ask((sweeper) => sweeper.walk({ walk: paths }));
    if (answer === undefined) return undefined;
    const { rules, units, kept, pending, large } = answer;
    const entries = unpackEntries(answer.entries).map((entry, index) => ({ entry, rule: rules[index] ?? 0 }));
    const contents = new Map<FileEntry, Contents>();
    for (const { of, files, obstacle } of units) {
      const entry = entries[of]?.entry;
      if (entry !== undefined) contents.set(entry, { files: unpackEntries(files), obstacle });
    }
    return { entries, kept, contents, pending, large };
  }

  /** Removes what was looked at; `undefined`: nobody could tell what came of it. */
  async remove(condemned: readonly Condemned[]): Promise<readonly Effect[] | undefined> {
    const answer = await this.#ask((sweeper) =>
      sweeper.remove({
        remove: packEntries(condemned.map(({ entry }) => entry)),
        units: condemned.flatMap(({ unit }, of) =>
          unit?.holding === undefined ? [] : [{ of, files: packEntries(unit.files), holding: unit.holding }],
        ),
      }),
    );
    return (
      answer &&
      condemned.map((one, index) => answer.others.get(index) ?? { outcome: "done", bytes: bytesOf(one) })
    );
  }

  close(): void {
    for (const sweeper of this.#sweepers) sweeper.close();
  }

  /** Asks whoever has least to do. */
  async #ask<T>(ask: (sweeper: Sweeper) => Promise<T>): Promise<T | undefined> {
    const [sweeper] = this.#sweepers.filter(({ isLost }) => !isLost).toSorted((a, b) => a.load - b.load);
    try {
      return sweeper && (await ask(sweeper));
    } catch (error) {
      if (error instanceof SweeperLost) return undefined;
      throw error;
    }
  }
}
