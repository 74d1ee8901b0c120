import type { JobResult } from "../report/job-reporter.ts";

/** What was done before, by the ids of the tasks. */
export type Done = Pick<Recent<JobResult>, "get">;

/** More than one worker has in hand at a time. */
const KEPT = 128;

/** Remembers the newest few by name: what is never asked for again is forgotten, however long the process lives. */
export class Recent<T> {
  readonly #known = new Map<string, T>();

  set(name: string, value: T): void {
    this.#known.delete(name);
    this.#known.set(name, value);
    const [oldest] = this.#known.keys();
    if (this.#known.size > KEPT && oldest !== undefined) this.#known.delete(oldest);
  }

  get(name: string): T | undefined {
    return this.#known.get(name);
  }

  delete(name: string): void {
    this.#known.delete(name);
  }
}
