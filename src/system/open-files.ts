import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { systemCodeOf } from "../errors.ts";
import type { FileEntry } from "./file-entry.ts";
import { parseDescriptorInfo } from "./kernel-locks.ts";
import { deviceNameOf, mountAtDirectory, mountsOf } from "./mounts.ts";
import { ifThere, isKernelThread, linksOfThreads } from "./proc.ts";
import { listPids, seesAllProcesses } from "./process-list.ts";

/** A process that has a file open. */
interface Opener {
  readonly pid: number;
  /** Its descriptor: `/proc/<pid>/fd/<n>`. */
  readonly link: string;
  /** The kind of kernel lock that it holds through it (`flock`, `posix`, `ofdlck`). */
  readonly lock: string | undefined;
}

interface Descriptor extends Opener {
  readonly mountId: number | undefined;
  /** The device that stat(2) answers, where the kernel tells no inode by itself. */
  readonly device: string | undefined;
}

const DENIED = Symbol("it may not be looked at");

/** What could be seen of the descriptors on this host. */
export interface OpenFiles {
  /** Who has this file open. */
  openersOf(file: Pick<FileEntry, "path" | "device" | "inode">): readonly Opener[];
  /** What of them may be in the root, whoever has it open: by inode, in digits, and by path. */
  readonly inodes: ReadonlySet<string>;
  readonly paths: ReadonlySet<string>;
  /** Processes that could not be looked into; 0 means that nothing was missed. */
  readonly hiddenProcesses: number;
}

/**
 * Reads every descriptor of every process once. `ignore` names processes taken for stopped.
 * Without root only one's own processes can be seen: then `hiddenProcesses` is not 0.
 *
 * A file is known by the kernel's own numbers of its file system and inode, which also hold where stat(2) answers
 * others (overlayfs, btrfs), and by its path. No file is touched for it: a look at one on a network that does not
 * answer would never end.
 */
export function readOpenFiles(root: string, ignore: ReadonlySet<number>): OpenFiles {
  const byInode = new Map<string, Descriptor[]>();
  /** Those in the root, by their paths relative to it. */
  const byPath = new Map<string, Descriptor[]>();
  let hiddenProcesses = 0;
  for (const pid of listPids()) {
    if (ignore.has(pid)) continue;
    if (!noteAll(pid) && !isInit(pid)) hiddenProcesses += 1;
  }
  const mount = mountAtDirectory(root);
  return {
    openersOf: ({ path, device, inode }) => {
      const devices = () => [deviceNameOf(device), ...(mount === undefined ? [] : [mount.device])];
      const openers = byInode.get(`${inode}`)?.filter((one) => isOn(one, devices())) ?? [];
      return openers.length > 0 ? openers : (byPath.get(path) ?? []);
    },
    inodes: new Set(byInode.keys()),
    paths: new Set(byPath.keys()),
    hiddenProcesses,
  };

  /** Answers whether nothing of the process is hidden. */
  function noteAll(pid: number): boolean {
    const descriptors = ifThere(() => readdirSync(`/proc/${pid}/fd`));
    if (descriptors === undefined) return !isHidden(pid);
    const links =
      descriptors.length === 0 ? linksOfThreads(pid) : descriptors.map((one) => `/proc/${pid}/fd/${one}`);
    return links.every((link) => note(pid, link));
  }

  /** Some may list the descriptors of a process and not look at them: root without CAP_SYS_PTRACE, as in a container. */
  function note(pid: number, link: string): boolean {
    const path = unlessDenied(() => readlinkSync(link));
    if (path === DENIED) return false;
    if (path?.startsWith("/") === false) return true;
    const text = unlessDenied(() => readFileSync(link.replace(/\/fd\/(\d+)$/, "/fdinfo/$1"), "latin1"));
    if (text === DENIED) return false;
    if (text === undefined) return true; // closed since
    const { mountId, inode, lock } = parseDescriptorInfo(text);
    const stats = inode === undefined ? ifThere(() => statSync(link)) : undefined; // before Linux 5.14
    const device = stats && deviceNameOf(stats.dev);
    const descriptor = { pid, link, lock, mountId, device };
    if (path?.startsWith(`${root}/`)) add(byPath, path.slice(root.length + 1), descriptor);
    add(byInode, inode ?? `${stats?.ino}`, descriptor);
    return true;
  }
}

function unlessDenied<T>(read: () => T): T | typeof DENIED | undefined {
  return ifThere(() => {
    try {
      return read();
    } catch (error) {
      if (["EACCES", "EPERM"].includes(systemCodeOf(error) ?? "")) return DENIED;
      throw error;
    }
  });
}

/**
 * A mount that its process does not list is the kernel's own (of memfd_create(2), where inodes count from 1), or was
 * taken away: then the file must say itself where it is.
 */
function isOn({ pid, mountId, device, link }: Descriptor, devices: readonly string[]): boolean {
  const mount = mountId === undefined ? undefined : mountsOf(pid).get(mountId);
  const name = device ?? mount?.device ?? deviceBehind(link);
  return name !== undefined && devices.includes(name);
}

function deviceBehind(link: string): string | undefined {
  const stats = ifThere(() => statSync(link));
  return stats && deviceNameOf(stats.dev);
}

function add(index: Map<string, Descriptor[]>, key: string, descriptor: Descriptor): void {
  const known = index.get(key);
  if (known === undefined) index.set(key, [descriptor]);
  else known.push(descriptor);
}

/**
 * The init of the host, which some hardened kernels let not even root look into: it starts applications and is none, and
 * its kernel locks are listed all the same. That of a container may well be the application.
 */
function isInit(pid: number): boolean {
  return pid === 1 && process.geteuid?.() === 0 && seesAllProcesses();
}

/** Whether a process exists whose descriptors are not ours to see. Kernel threads have none. */
function isHidden(pid: number): boolean {
  return ifThere(() => statSync(`/proc/${pid}`)) !== undefined && !isKernelThread(pid);
}
