import type { Measurement } from "./measure.ts";

/** A bench suite: one file, one section of the results. */
export interface Suite {
  readonly name: string;
  /** What is compared with what, for the results. */
  readonly about: string;
  /** What else was measured, for the results; asked after `run`. */
  notes?(): readonly string[];
  /** Cleans up behind itself, also when it throws. */
  run(): Promise<Measurement[]>;
}
