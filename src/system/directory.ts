import { closeSync, constants, openSync, readlinkSync, readSync } from "node:fs";
import { posix } from "node:path";
import { systemCodeOf } from "../errors.ts";

/*
 * Directories that are held, not named. A path can be swapped for a symbolic link between a look and an
 * action (CVE-2018-6954, CVE-2022-21658); an open directory cannot. Node has no openat(2), but Linux lets
 * one act through /proc/self/fd/N/name, which is the same thing.
 */

const { join } = posix;

const OPEN = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** A directory inside the root, proved to be where its path says, that is acted in without naming it by its path. */
export interface Held {
  /** Relative to the root; "" is the root itself. */
  readonly path: string;
  /** Before a name, it makes a path that reaches it through what is held. */
  readonly prefix: string;
}

/** One that is open. */
export interface HeldDirectory extends Held {
  readonly fd: number;
}

/** Holds directories below a root, and proves them. */
export interface Holder {
  /** Holds the directory at a path. Throws `DirectoryChanged` when it is not, or not only, what its path says. */
  hold(path: string): Held;
  letGo(held: Held): void;
  /** A path that reaches a file through its directory, which is proved anew; good until the next question. */
  reach(path: string): string;
}

/** The world is not as it was: a directory is gone, moved, behind a link, or on another file system. */
export class DirectoryChanged extends Error {}

/** A path that reaches `name` through the held directory, whatever happens to its own path. */
export function within({ prefix }: Held, name: string): string {
  return prefix + name;
}

/** A directory that goes as a unit is looked into between looks at its parent, and at another like it. */
const KEPT = 3;

/** Opens directories below a root (a real path). */
export class Directories implements Holder {
  readonly #root: string;
  readonly #rootMount: number;
  /** The one asked about last comes last. */
  #kept: readonly HeldDirectory[] = [];

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
    const fd = openDirectory(join(this.#root, path));
    const held = { fd, path, prefix: `/proc/self/fd/${fd}/` };
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
   * A path that reaches the file at `path` through its held directory, which is proved again each time. It is good until
   * the next question: then the directory may be let go, and its descriptor be another one's.
   */
  reach(path: string): string {
    const slash = path.lastIndexOf("/");
    const held = this.#keep(slash === -1 ? "" : path.slice(0, slash));
    return within(held, path.slice(slash + 1));
  }

  /** As `hold`, but it stays open for the next questions, and the one not asked about for longest is let go. */
  #keep(path: string): HeldDirectory {
    const last = this.#kept.at(-1);
    if (last?.path === path && this.#isProved(last)) return last;
    const known = this.#kept.find((one) => one.path === path);
    const held = known !== undefined && this.#isProved(known) ? known : this.hold(path);
    const others = this.#kept.filter((one) => one.path !== path);
    const tooMany = others.length === KEPT ? others.shift() : undefined;
    for (const one of [tooMany, known]) if (one !== undefined && one !== held) release(one);
    this.#kept = [...others, held];
    return held;
  }

  letGo(held: HeldDirectory): void {
    release(held);
  }

  close(): void {
    for (const held of this.#kept) release(held);
    this.#kept = [];
  }

  #prove(held: HeldDirectory): void {
    if (!this.#isProved(held)) throw new DirectoryChanged(`it is really ${pathOf(held)}`);
  }

  /** The kernel's own name for what is open must be the path that was meant. */
  #isProved(held: HeldDirectory): boolean {
    return pathOf(held) === (held.path === "" ? this.#root : `${this.#root}/${held.path}`);
  }
}

function pathOf({ fd }: HeldDirectory): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}

export function release(directory: HeldDirectory): void {
  closeSync(directory.fd);
}

const INFO = Buffer.alloc(512);

/** The id of the mount an open file is on: tells bind mounts apart, which device numbers do not. */
export function mountOf(fd: number): number {
  const info = openSync(`/proc/self/fdinfo/${fd}`, constants.O_RDONLY);
  try {
    const text = INFO.toString("latin1", 0, readSync(info, INFO));
    return Number(/^mnt_id:\s*(\d+)$/m.exec(text)?.[1]);
  } finally {
    closeSync(info);
  }
}

function openDirectory(path: string): number {
  return withChanges(() => openSync(path, OPEN));
}

/** Does something that enters a directory; throws `DirectoryChanged` for what kept it from being one. */
export function withChanges<T>(enter: () => T): T {
  try {
    return enter();
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === "ELOOP" || code === "ENOTDIR") throw new DirectoryChanged("it is a symbolic link");
    if (code === "ENOENT") throw new DirectoryChanged("it is gone");
    throw error;
  }
}
