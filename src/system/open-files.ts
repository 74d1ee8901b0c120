import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { ifThere, isKernelThread, linksOfThreads } from "./proc.ts";
import { listPids } from "./process-list.ts";

/** A process that has a file open, through which descriptor. */
export interface Opener {
  readonly pid: number;
  /** Its descriptor: `/proc/<pid>/fd/<n>`. */
  readonly link: string;
}

/** Stands for a path that cannot be told: beyond PATH_MAX, or gone, which the next look will tell. */
const TOO_LONG = "/";

/** What could be seen of the descriptors on this host. */
export interface OpenFiles {
  /** Who has this file open: by device and inode, or by path, since overlayfs gives one file several. */
  openersOf(file: { path: string; device: number; inode: number }): readonly Opener[];
  /** Processes that could not be looked into; 0 means that nothing was missed. */
  readonly hiddenProcesses: number;
}

/**
 * Reads every descriptor of every process once. `ignore` names processes taken for stopped.
 * Without root only one's own processes can be seen: then `hiddenProcesses` is not 0.
 */
export function readOpenFiles(root: string, ignore: ReadonlySet<number>): OpenFiles {
  const openers = new Map<string, Opener[]>();
  let hiddenProcesses = 0;
  for (const pid of listPids()) {
    if (ignore.has(pid)) continue;
    const descriptors = ifThere(() => readdirSync(`/proc/${pid}/fd`));
    if (descriptors === undefined && isHidden(pid)) hiddenProcesses += 1;
    else if (descriptors?.length === 0) for (const link of linksOfThreads(pid)) note(pid, link);
    else for (const one of descriptors ?? []) note(pid, `/proc/${pid}/fd/${one}`);
  }
  return {
    openersOf: (file) =>
      openers.get(inodeKey(file.device, file.inode)) ?? openers.get(`${root}/${file.path}`) ?? [],
    hiddenProcesses,
  };

  function note(pid: number, link: string): void {
    const path = ifThere(() => readlinkSync(link)) ?? TOO_LONG;
    if (!path.startsWith("/")) return;
    const stats = ifThere(() => statSync(link));
    if (stats === undefined || !stats.isFile()) return;
    add(path, { pid, link });
    add(inodeKey(stats.dev, stats.ino), { pid, link });
  }

  function add(key: string, opener: Opener): void {
    const known = openers.get(key);
    if (known === undefined) openers.set(key, [opener]);
    else known.push(opener);
  }
}

/** Whether a process exists whose descriptors are not ours to see. Kernel threads have none. */
function isHidden(pid: number): boolean {
  return ifThere(() => statSync(`/proc/${pid}`)) !== undefined && !isKernelThread(pid);
}

function inodeKey(device: number, inode: number): string {
  return `${device}:${inode}`;
}

/** The kind of kernel lock held through a descriptor (`flock`, `posix`, `ofdlck`): proc(5), fdinfo. */
export function lockThrough({ link }: Opener): string | undefined {
  const text = ifThere(() => readFileSync(link.replace(/\/fd\/(\d+)$/, "/fdinfo/$1"), "utf8")) ?? "";
  return /^lock:\s*\d+:\s+(\w+)/m.exec(text)?.[1]?.toLowerCase();
}
