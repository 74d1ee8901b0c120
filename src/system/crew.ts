import type { Policy } from "./judge.ts";
import type { Manifest } from "./manifest.ts";
import type { FindRule } from "./search.ts";
import { Sweepers } from "./sweepers.ts";

/** So many entries are passed before anybody is called: a small tree is clean before a process has started. */
const CALLED_AFTER = 4_000;

export interface CrewOptions {
  /** A real path. */
  readonly root: string;
  readonly manifest: Pick<Manifest, "names">;
  /** Told when sweepers are lost: the rest is done without them. */
  readonly tell?: ((what: string) => void) | undefined;
  /** Entries to be passed before sweepers are called. Default: 4,000. */
  readonly calledAfter?: number | undefined;
}

/** The sweepers of one job, once there is enough for them to do. */
export class Crew {
  readonly calledAfter: number;
  readonly #options: CrewOptions;
  #sweepers: Sweepers | undefined;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.calledAfter = options.calledAfter ?? CALLED_AFTER;
  }

  /** Those that were called, if they are still there. */
  get sweepers(): Sweepers | undefined {
    return (this.#sweepers?.amount ?? 0) > 0 ? this.#sweepers : undefined;
  }

  /** Calls sweepers for a search; `undefined`: they are busy with another, or lost. */
  call(
    rules: readonly FindRule[],
    preserve: readonly string[] | undefined,
    policy?: Policy,
  ): Sweepers | undefined {
    if (this.#sweepers !== undefined) return undefined;
    const { root, tell, manifest } = this.#options;
    const known = rules.map(({ kind, patterns, holding }) => ({
      patterns,
      ...(kind !== undefined && { kind }),
      ...(holding !== undefined && { holding }),
    }));
    const lost = (why: string) =>
      tell?.(`a process that helps to clean up was lost (${why}): going on without it`);
    const order = {
      ...{ root, rules: known, preserve },
      policy: policy && { facts: policy.facts, reasons: policy.reasons, manifest: manifest.names },
    };
    this.#sweepers = new Sweepers(order, lost, policy?.program);
    return this.#sweepers;
  }

  close(): void {
    this.#sweepers?.close();
    this.#sweepers = undefined;
  }
}
