import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { mountAt } from "./hands.ts";
import { temporaryDirectory } from "./temp.ts";

/** A directory on a file system of its own, and where files are put that are there before it is mounted. */
export interface FileSystem {
  readonly root: string;
  /** Of an overlay: the lower layer. */
  readonly below: string;
  mount(): boolean;
}

function directories(...names: string[]): string[] {
  const top = realpathSync(temporaryDirectory());
  return names.map((name) => {
    mkdirSync(join(top, name));
    return join(top, name);
  });
}

/** Layers on two file systems: below a directory on disk, above a tmpfs. */
function overlay(options = ""): FileSystem {
  const [root = "", below = "", above = ""] = directories("root", "below", "above");
  return {
    root,
    below,
    mount: () => {
      if (!mountAt(above, "-t", "tmpfs", "none")) return false;
      const [upper, work] = ["upper", "work"].map((name) => join(above, name));
      for (const one of [upper, work]) mkdirSync(`${one}`);
      return mountAt(
        root,
        "-t",
        "overlay",
        "none",
        "-o",
        `lowerdir=${below},upperdir=${upper},workdir=${work}${options}`,
      );
    },
  };
}

function tmpfs(): FileSystem {
  const [root = ""] = directories("root");
  return { root, below: root, mount: () => mountAt(root, "-t", "tmpfs", "none") };
}

/** In an image; `root` is a subvolume, whose device differs from that of the file system. */
function btrfs(): FileSystem {
  const [top = ""] = directories("top");
  const image = join(top, "..", "image");
  return {
    root: join(top, "subvolume"),
    below: join(top, "subvolume"),
    mount: () => {
      execFileSync("truncate", ["-s", "128M", image]);
      if (spawnSync("mkfs.btrfs", ["-q", image]).status !== 0) return false;
      return (
        mountAt(top, "-o", "loop", image) &&
        spawnSync("btrfs", ["subvolume", "create", join(top, "subvolume")]).status === 0
      );
    },
  };
}

function ext4(): FileSystem {
  const [root = ""] = directories("root");
  const image = join(root, "..", "image");
  return {
    root,
    below: root,
    mount: () => {
      execFileSync("truncate", ["-s", "16M", image]);
      return spawnSync("mkfs.ext4", ["-q", image]).status === 0 && mountAt(root, "-o", "loop", image);
    },
  };
}

export const FILE_SYSTEMS: Readonly<Record<string, () => FileSystem>> = {
  ext4,
  tmpfs,
  "overlayfs with layers on two file systems": () => overlay(),
  "overlayfs with inode numbers beyond 2^53": () => overlay(",xino=on"),
  btrfs,
};
