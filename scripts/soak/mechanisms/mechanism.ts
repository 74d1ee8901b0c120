/** What keeps a promise of docs/safety.md: taken out of the source, the test must fail. */
export interface Mechanism {
  /** An unmistakable part of the row's promise. */
  readonly promise: string;
  /** Several where a second mechanism alone would keep the promise, too. */
  readonly edits: readonly Edit[];
  readonly test: NamedTest;
}

/** `find` stands in the file exactly once. The project must still compile: what is unused then is no matter. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A test by its full name or an unmistakable part of it: `describe` and `test`, with a space between. */
export interface NamedTest {
  readonly file: string;
  readonly name: string;
}

/** A row that no edit can stand for. */
export interface Exception {
  readonly promise: string;
  readonly because: string;
}
