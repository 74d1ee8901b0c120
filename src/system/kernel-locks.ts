/*
 * Locks as the kernel lists them, in /proc/locks and in /proc/<pid>/fdinfo/<fd>; see proc(5), proc_locks(5).
 */

/** A lock, granted or waited for, in the kernel's own names. */
export interface KernelLock {
  /** `flock`, `posix`, `ofdlck`, or `lease`. */
  readonly kind: string;
  /** -1 for an OFD lock, which belongs to no process; 0 when its process is in another pid namespace. */
  readonly pid: number;
  /** `fe:00`, the device of the file system. */
  readonly device: string;
  readonly inode: string;
}

/** `1: FLOCK  ADVISORY  WRITE 4242 fe:00:1234 0 EOF`, with `->` before the kind of one that waits. */
const LINE =
  /^\d+:\s+(?:->\s+)?(?<kind>[A-Z]\w*)\s+\S+\s+\S+\s+(?<pid>-?\d+)\s+(?<device>[\da-f]+:[\da-f]+):(?<inode>\d+)\s/;

/** The locks in a text of /proc/locks. Lines of another form are left out. */
export function parseLocks(text: string): KernelLock[] {
  return text.split("\n").flatMap((line) => {
    const { kind, pid, device, inode } = LINE.exec(line)?.groups ?? {};
    if (kind === undefined || device === undefined || inode === undefined) return [];
    return [{ kind: kind.toLowerCase(), pid: Number(pid), device, inode }];
  });
}

/** What /proc/<pid>/fdinfo/<fd> says of an open file. */
export interface DescriptorInfo {
  readonly mountId: number | undefined;
  /** The kernel's own number of the file, since Linux 5.14. */
  readonly inode: string | undefined;
  /** The kind of a lock that is held through it. */
  readonly lock: string | undefined;
}

/** The kernel's own lines come first; a driver may add others. */
export function parseDescriptorInfo(text: string): DescriptorInfo {
  const lines = text.split("\n");
  const after = (key: string) => lines.find((line) => line.startsWith(key))?.slice(key.length) ?? "";
  const mountId = /^\s*(\d{1,15})$/.exec(after("mnt_id:"))?.[1];
  return {
    mountId: mountId === undefined ? undefined : Number(mountId),
    inode: /^\s*(\d{1,20})$/.exec(after("ino:"))?.[1],
    lock: /^\s*\d+:\s+(\w+)/.exec(after("lock:"))?.[1]?.toLowerCase(),
  };
}
