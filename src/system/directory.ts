import { closeSync, constants, openSync, readFileSync, readlinkSync } from "node:fs";
import { join, posix } from "node:path";
import { systemCodeOf } from "../errors.ts";

/*
 * Directories that are held, not named. A path can be swapped for a symbolic link between a look and an
 * action (CVE-2018-6954, CVE-2022-21658); an open directory cannot. Node has no openat(2), but Linux lets
 * one act through /proc/self/fd/N/name, which is the same thing.
 */

const OPEN = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** An open directory inside the root, proved to be where its path says. */
export interface HeldDirectory {
  readonly fd: number;
  /** Relative to the root; "" is the root itself. */
  readonly path: string;
}

/** The world is not as it was: a directory is gone, moved, behind a link, or on another file system. */
export class DirectoryChanged extends Error {}

/** A path that reaches `name` through the held directory, whatever happens to its own path. */
export function within(directory: HeldDirectory, name: string): string {
  return `/proc/self/fd/${directory.fd}/${name}`;
}

/** Opens directories below a root (a real path). */
export class Directories {
  readonly #root: string;
  readonly #rootMount: number;
  #last: HeldDirectory | undefined;

  constructor(root: string) {
    this.#root = root;
    const fd = openDirectory(root);
    this.#rootMount = mountOf(fd);
    closeSync(fd);
  }

  /**
   * Opens the directory at `path` below the root; the caller releases it.
   * Throws `DirectoryChanged` when any part of the path is a symbolic link or gone, or when it lies on
   * another mount than the root.
   */
  hold(path: string): HeldDirectory {
    const held = { fd: openDirectory(join(this.#root, path)), path };
    try {
      this.#prove(held);
      if (mountOf(held.fd) !== this.#rootMount) throw new DirectoryChanged("it is on another file system");
      return held;
    } catch (error) {
      release(held);
      throw error;
    }
  }

  /**
   * A path that reaches the file at `path` through its held directory. The directory is kept open for the
   * next question about the same one, and proved again each time.
   */
  reach(path: string): string {
    const parent = posix.dirname(path);
    const wanted = parent === "." ? "" : parent;
    if (this.#last?.path !== wanted) {
      this.close();
      this.#last = this.hold(wanted);
    } else this.#prove(this.#last);
    return within(this.#last, posix.basename(path));
  }

  close(): void {
    if (this.#last !== undefined) release(this.#last);
    this.#last = undefined;
  }

  /** The kernel's own name for what is open must be the path that was meant. */
  #prove(held: HeldDirectory): void {
    const actual = readlinkSync(`/proc/self/fd/${held.fd}`);
    if (actual !== posix.join(this.#root, held.path)) throw new DirectoryChanged(`it is really ${actual}`);
  }
}

export function release(directory: HeldDirectory): void {
  closeSync(directory.fd);
}

/** The id of the mount an open file is on: tells bind mounts apart, which device numbers do not. */
function mountOf(fd: number): number {
  return Number(/^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1]);
}

function openDirectory(path: string): number {
  try {
    return openSync(path, OPEN);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === "ELOOP" || code === "ENOTDIR") throw new DirectoryChanged("it is a symbolic link");
    if (code === "ENOENT") throw new DirectoryChanged("it is gone");
    throw error;
  }
}
