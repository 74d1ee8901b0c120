import { closeSync, constants, openSync, readSync } from "node:fs";
import { systemCodeOf } from "../errors.ts";
import { type FileEntry, lookAtOpen } from "./file-entry.ts";

/** O_NONBLOCK: opening a FIFO must not wait for a writer. */
const OPEN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * The first bytes of a regular file that `isMeant` recognises, else `undefined`. Does not follow a symbolic
 * link and does not change the access time of a file one owns, or any as root.
 */
export function readUntouched(
  path: string,
  maxBytes: number,
  isMeant: (entry: FileEntry) => boolean,
): Buffer | undefined {
  const fd = openQuietly(path);
  if (fd === undefined) return undefined;
  try {
    const entry = lookAtOpen(fd, path);
    if (entry.kind !== "file" || !isMeant(entry)) return undefined;
    const buffer = Buffer.alloc(Math.min(entry.sizeBytes, maxBytes));
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(fd);
  }
}

/** ELOOP: a symbolic link; ENXIO: a socket; see open(2). */
const NOT_FOR_READING = ["ELOOP", "ENXIO", "ENOENT", "EACCES"];

/** EPERM: O_NOATIME is for the owner and root only, so a second try does without it. */
function openQuietly(path: string): number | undefined {
  for (const flags of [OPEN | constants.O_NOATIME, OPEN]) {
    try {
      return openSync(path, flags);
    } catch (error) {
      const code = systemCodeOf(error) ?? "";
      if (NOT_FOR_READING.includes(code)) return undefined;
      if (code !== "EPERM") throw error;
    }
  }
  return undefined;
}
