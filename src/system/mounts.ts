import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { ifThere } from "./proc.ts";

/** A mounted file system, as the kernel knows it. */
export interface Mount {
  /**
   * Its own device, written as in /proc/locks: `fe:00`. On overlayfs and btrfs stat(2) answers others for its files,
   * the kernel's lists do not.
   */
  readonly device: string;
  /** `ext4`, `nfs4`, `fuse.sshfs`, … */
  readonly type: string;
}

/**
 * The mounts in a text of /proc/<pid>/mountinfo by their ids, see proc(5). Blanks in paths are written as `\040`, so
 * a `-` alone ends the fields whose number varies. Lines of another form are left out.
 */
export function parseMounts(text: string): ReadonlyMap<number, Mount> {
  const mounts = new Map<number, Mount>();
  for (const line of text.split("\n")) {
    const words = line.split(" ");
    const [id = "", , device = ""] = words;
    const end = words.indexOf("-", 6);
    const type = end === -1 ? undefined : words[end + 1];
    const [, major, minor] = /^(\d+):(\d+)$/.exec(device) ?? [];
    if (!/^\d+$/.test(id) || !type || major === undefined || minor === undefined) continue;
    mounts.set(Number(id), { device: deviceName(Number(major), Number(minor)), type });
  }
  return mounts;
}

/** The mounts that a process sees; none when it cannot be looked into. */
export function mountsOf(pid: number | "self"): ReadonlyMap<number, Mount> {
  return parseMounts(ifThere(() => readFileSync(`/proc/${pid}/mountinfo`, "utf8")) ?? "");
}

/** The mount that a directory is on; `undefined` when that cannot be told. */
export function mountAtDirectory(path: string): Mount | undefined {
  return ifThere(() => {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
      return mountsOf("self").get(Number(id));
    } finally {
      closeSync(fd);
    }
  });
}

/** A device as stat(2) gives it, its numbers packed as in gnu_dev_major(3), written as in /proc/locks. */
export function deviceNameOf(device: number): string {
  const low = device % 2 ** 32;
  const major = (low >>> 8) & 0xfff;
  const minor = (low & 0xff) | ((low >>> 12) & 0xfff00);
  return deviceName(major, minor);
}

function deviceName(major: number, minor: number): string {
  return [major, minor].map((number) => number.toString(16).padStart(2, "0")).join(":");
}

/** What one machine mounts for itself: nobody elsewhere can have a file of it open. */
const LOCAL = [
  ...[
    "ext2",
    "ext3",
    "ext4",
    "xfs",
    "btrfs",
    "bcachefs",
    "zfs",
    "f2fs",
    "jfs",
    "reiserfs",
    "nilfs2",
    "ubifs",
  ],
  ...["overlay", "tmpfs", "ramfs", "devtmpfs", "squashfs", "erofs", "fuseblk"],
  ...["vfat", "exfat", "ntfs", "ntfs3", "hfsplus", "udf", "iso9660"],
];

/** Whether only processes of this machine can use a file system; of a type that is not known, others may. */
export function isLocal(type: string): boolean {
  return LOCAL.includes(type);
}
