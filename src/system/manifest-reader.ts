import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { messageOf, systemCodeOf } from "../errors.ts";
import { release, within } from "./directory.ts";
import { type ManifestLine, parseLines } from "./manifest-line.ts";
import { holdOwn, obstacleIn, refusal } from "./own-directory.ts";

const OPEN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CHUNK_BYTES = 65_536;

/**
 * What a run wrote down, in that order; to be read to its end. `undefined`: there is no manifest of this run.
 * Throws `refused` when it may be somebody else's.
 */
export function readManifest(root: string, run: string): Generator<ManifestLine> | undefined {
  const directory = holdOwn(root, [], false);
  if (directory === undefined) return undefined;
  const name = `${run}.jsonl`;
  try {
    const descriptor = openSync(within(directory, name), OPEN);
    const obstacle = obstacleIn(fstatSync(descriptor), "file");
    if (obstacle === undefined) return readLines(descriptor);
    closeSync(descriptor);
    throw new Error(obstacle);
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    const why = systemCodeOf(error) === "ELOOP" ? "it is a symbolic link" : messageOf(error);
    throw refusal(`.safe-shutdown/${name}`, why, error);
  } finally {
    release(directory);
  }
}

/** Line by line, so that a manifest may be of any length. A line that a crash cut off names nothing that was removed. */
function* readLines(descriptor: number): Generator<ManifestLine> {
  const decoder = new StringDecoder("utf8");
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let rest = "";
  try {
    for (let count = -1; count !== 0; ) {
      count = readSync(descriptor, chunk, 0, CHUNK_BYTES, null);
      const text = rest + decoder.write(chunk.subarray(0, count));
      const end = count === 0 ? text.length : text.lastIndexOf("\n") + 1;
      rest = text.slice(end);
      yield* parseLines(text.slice(0, end)).lines;
    }
  } finally {
    closeSync(descriptor);
  }
}
