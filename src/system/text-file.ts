import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, writeFileSync } from "node:fs";
import { messageOf, SafeShutdownError, systemCodeOf } from "../errors.ts";
import { requireTrust } from "./trust.ts";

/** The largest text file that is read: far above any config, far below what would hurt. */
export const MAX_TEXT_BYTES = 1_048_576;

/** The errors that mean that nothing is there: the name is missing, or a parent is no directory. */
const ABSENT = ["ENOENT", "ENOTDIR"];

/**
 * The text of a small file; `undefined` when there is none. Symbolic links are followed, a byte order mark is
 * left out. Throws `refused` for anything but a regular UTF-8 file of at most `MAX_TEXT_BYTES`, and never
 * waits: a FIFO is opened without blocking (open(2), O_NONBLOCK) and then refused.
 */
export function readTextFile(path: string): string | undefined {
  return readText(path, () => undefined);
}

/**
 * The same for a file that is acted on. Throws `refused`, with a hint, also when root runs this and somebody else could
 * change the file; see `requireTrust`.
 */
export function readTrustedFile(path: string): string | undefined {
  return readText(path, (descriptor) => requireTrust(path, descriptor));
}

function readText(path: string, require: (descriptor: number) => void): string | undefined {
  const descriptor = openIfPresent(path);
  if (descriptor === undefined) return undefined;
  try {
    if (!fstatSync(descriptor).isFile()) throw refusal(path, "it is not a regular file");
    require(descriptor);
    return decode(path, readAtMost(descriptor, MAX_TEXT_BYTES + 1));
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Writes a file that is not there yet, mode 0644 less the umask. Never overwrites and never follows a link:
 * whatever has the name already makes it throw `refused`.
 */
export function writeNewFile(path: string, text: string): void {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  let descriptor: number;
  try {
    descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
  } catch (error) {
    const why = systemCodeOf(error) === "EEXIST" ? "it exists already; remove it first" : messageOf(error);
    throw new SafeShutdownError("refused", `will not write ${JSON.stringify(path)}: ${why}`, {
      cause: error,
    });
  }
  try {
    writeFileSync(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
}

/** The path without symbolic links; the path itself when nothing is there. */
export function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (ABSENT.includes(systemCodeOf(error) ?? "")) return path;
    throw refusal(path, messageOf(error), error);
  }
}

function openIfPresent(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const code = systemCodeOf(error) ?? "";
    if (ABSENT.includes(code)) return undefined;
    throw refusal(path, code === "ENXIO" ? "it is not a regular file" : messageOf(error), error);
  }
}

/** Reads until the end or the limit; the size in the inode is not believed, as /proc says 0. */
function readAtMost(descriptor: number, limit: number): Buffer {
  const buffer = Buffer.alloc(limit);
  let length = 0;
  while (length < limit) {
    const count = readSync(descriptor, buffer, length, limit - length, null);
    if (count === 0) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

function decode(path: string, bytes: Buffer): string {
  if (bytes.length > MAX_TEXT_BYTES) throw refusal(path, "it is larger than 1 MiB");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw refusal(path, "it is not UTF-8 text", error);
  }
}

function refusal(path: string, why: string, cause?: unknown): SafeShutdownError {
  return new SafeShutdownError("refused", `cannot read ${JSON.stringify(path)}: ${why}`, { cause });
}
