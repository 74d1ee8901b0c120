import { type Dirent, lstatSync, opendirSync, readdirSync, statSync } from "node:fs";
import { type Held, within } from "./directory.ts";

/** Directories of more than so many bytes are read in chunks. Most are smaller, and read faster at once. */
const LARGE_BYTES = 65_536;
const CHUNK = 1_024;

/** Whether the names of a directory are too many to be read at once. */
export function isLarge(directory: Held): boolean {
  return statSync(within(directory, ".")).size > LARGE_BYTES;
}

/** What is in a directory, in chunks: memory does not grow with it. */
export function* chunksOf(directory: Held): Generator<readonly Dirent[]> {
  const path = within(directory, ".");
  if (!isLarge(directory)) {
    yield readdirSync(path, { withFileTypes: true });
    return;
  }
  const listing = opendirSync(path, { bufferSize: CHUNK });
  try {
    for (let child = listing.readSync(); child !== null; ) {
      const chunk: Dirent[] = [];
      for (; child !== null && chunk.length < CHUNK; child = listing.readSync()) chunk.push(child);
      yield chunk;
    }
  } finally {
    listing.closeSync();
  }
}

export function* childrenOf(directory: Held): Generator<Dirent> {
  for (const children of chunksOf(directory)) yield* children;
}

/** What marks the top of a virtual environment: Python's own (PEP 405), older ones, conda's. */
const ENVIRONMENT_MARKS = new Map([
  ["pyvenv.cfg", "pyvenv.cfg"],
  ["bin", "bin/activate"],
  ["conda-meta", "conda-meta"],
]);

/** Whether it is a virtual environment; `children` is its first chunk, which says it all if it is not full. */
export function isVirtualEnvironment(directory: Held, children: readonly Dirent[]): boolean {
  const isThere = (mark: string) =>
    lstatSync(within(directory, mark), { throwIfNoEntry: false }) !== undefined;
  if (children.length >= CHUNK) return [...ENVIRONMENT_MARKS.values()].some(isThere);
  return children.some(({ name }) => {
    const mark = ENVIRONMENT_MARKS.get(name);
    return mark !== undefined && isThere(mark);
  });
}
