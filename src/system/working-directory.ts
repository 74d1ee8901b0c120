import { closeSync, constants, openSync, realpathSync, statSync } from "node:fs";
import { DirectoryChanged, type Held, type Holder, mountOf, withChanges } from "./directory.ts";

const MOST_PROVED = 4_096;
const OPEN = constants.O_RDONLY | constants.O_DIRECTORY;

/**
 * Holds directories below a root (a real path) one at a time, as the working directory: for a process that does nothing
 * else. It can no more be swapped than an open directory can, and a name in it costs the kernel half as much as one below
 * /proc/self/fd.
 */
export class WorkingDirectory implements Holder {
  readonly #root: string;
  readonly #rootMount: number;
  /** Directories, by their paths, that were seen to be on the mount of the root. */
  readonly #proved = new Map<string, string>();
  #held: Held | undefined;

  constructor(root: string) {
    this.#root = root;
    process.chdir(root);
    this.#rootMount = mountHere();
  }

  /** The one that was held before must not be acted in any more, and cannot be. */
  hold(path: string): Held {
    const real = path === "" ? this.#root : `${this.#root}/${path}`;
    if (this.#held?.path === path && here() === real) return this.#held;
    this.#held = undefined;
    withChanges(() => process.chdir(real));
    const where = here();
    if (where !== real)
      throw new DirectoryChanged(where === undefined ? "it is gone" : `it is really ${where}`);
    this.#proveMount(path);
    const held = { path, prefix: "" };
    Object.defineProperty(held, "prefix", { get: () => this.#prefixOf(held) });
    this.#held = held;
    return held;
  }

  letGo(): void {}

  reach(path: string): string {
    const slash = path.lastIndexOf("/");
    this.hold(slash === -1 ? "" : path.slice(0, slash));
    return path.slice(slash + 1);
  }

  /** The very directory that was proved before at this path needs no second proof. */
  #proveMount(path: string): void {
    const { dev, ino } = statSync(".");
    const identity = `${dev}:${ino}`;
    if (this.#proved.get(path) === identity) return;
    if (mountHere() !== this.#rootMount) throw new DirectoryChanged("it is on another file system");
    if (this.#proved.size >= MOST_PROVED) this.#proved.clear();
    this.#proved.set(path, identity);
  }

  #prefixOf(held: Held): string {
    if (this.#held === held) return "";
    throw new Error(`expected to be in ${JSON.stringify(held.path)}, and have gone on since`);
  }
}

/** The kernel's own name for the working directory (of "." realpath(3) asks nothing else); `undefined`: it is gone. */
function here(): string | undefined {
  try {
    return realpathSync.native(".");
  } catch {
    return undefined;
  }
}

function mountHere(): number {
  const fd = openSync(".", OPEN);
  try {
    return mountOf(fd);
  } finally {
    closeSync(fd);
  }
}
