import type { Measurement } from "./measure.ts";

/** A bench suite: one file, one section of the results. */
export interface Suite {
  readonly name: string;
  /** What is compared with what, for the results. */
  readonly about: string;
  /** Cleans up behind itself, also when it throws. */
  run(): Promise<Measurement[]>;
}
