import { readlinkSync } from "node:fs";
import { systemCodeOf } from "../errors.ts";
import { DirectoryChanged, type Holder } from "./directory.ts";
import { isSame } from "./evidence.ts";
import { type FileEntry, lookAt } from "./file-entry.ts";
import { readUntouched } from "./read-untouched.ts";

/** Looks at single files below the root, and changes nothing of them. */
export class Looks {
  readonly #holder: Holder;

  constructor(holder: Holder) {
    this.#holder = holder;
  }

  /** The entry at a path, or `undefined` when there is none. */
  look(path: string): FileEntry | undefined {
    return unlessGone(() => lookAt(this.#holder.reach(path), path));
  }

  /** See `Files.read`. */
  read(entry: FileEntry, maxBytes: number): Buffer | undefined {
    if (entry.kind !== "file") return undefined; // opening a FIFO or a device is already doing something
    return unlessGone(() =>
      readUntouched(this.#holder.reach(entry.path), maxBytes, (now) => isSame(entry, now)),
    );
  }

  /** See `Files.targetOf`. */
  targetOf(entry: FileEntry): string | undefined {
    return unlessGone(() => {
      const at = this.#holder.reach(entry.path);
      const target = entry.kind === "link" ? readlinkSync(at) : undefined;
      const now = lookAt(at, entry.path);
      return now !== undefined && isSame(entry, now) ? target : undefined;
    });
  }
}

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof DirectoryChanged || systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
