import { realpathSync, statfsSync, statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { dirname, resolve } from "node:path";
import { messageOf, SafeShutdownError } from "../errors.ts";

/** Directories of the system itself: nothing directly in them is an application. */
const SYSTEM_DIRECTORIES = [
  ..."/bin /boot /dev /dev/shm /etc /home /lib /lib32 /lib64 /media /mnt /opt /proc /root /run /sbin /srv /sys".split(
    " ",
  ),
  ..."/tmp /usr /var /usr/bin /usr/lib /usr/local /usr/sbin /usr/share /var/lib /var/log /var/run /var/tmp".split(
    " ",
  ),
  ..."/Applications /Library /System /Users /private /private/etc /private/tmp /private/var /Volumes".split(
    " ",
  ),
];
/** Below these, nothing at all is an application. */
const SYSTEM_TREES = [
  ...[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/System",
  ],
  ...[
    "/usr/bin",
    "/usr/include",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/sbin",
    "/usr/share",
  ],
  ...["/var/backups", "/var/cache", "/var/spool", "/var/lib/apt", "/var/lib/containerd", "/var/lib/docker"],
  ...["/var/lib/dpkg", "/var/lib/rpm", "/var/lib/systemd"],
];

/** In /dev, but anybody's, like /tmp. */
const SHARED_MEMORY = "/dev/shm";

/** What a mount of another kind is, wherever it lies; by the magic numbers of statfs(2). */
const KERNEL_FILE_SYSTEMS = new Map([
  [0x9fa0, "proc"],
  [0x62656572, "sysfs"],
  [0x62656570, "configfs"],
  [0x27e0eb, "cgroup"],
  [0x63677270, "cgroup2"],
  [0x64626720, "debugfs"],
  [0x74726163, "tracefs"],
  [0x73636673, "securityfs"],
  [0x1cd1, "devpts"],
  [0xcafe4a11, "bpf"],
  [0xde5e81e4, "efivarfs"],
]);

/**
 * The real, absolute path of the application's root.
 * Throws `refused` when it is missing, no directory, `/`, a home directory or a system directory.
 */
export function resolveRoot(path: string): string {
  const root = realPath(path);
  const reason = reasonToRefuse(root);
  if (reason === undefined) return root;
  throw new SafeShutdownError(
    "refused",
    `refusing to work in ${JSON.stringify(root)}: ${reason}. Name the application's own directory with --root.`,
  );
}

function realPath(path: string): string {
  if (path === "")
    throw new SafeShutdownError("refused", "the root is empty: name the application's directory");
  try {
    const real = realpathSync(resolve(path));
    if (statSync(real).isDirectory()) return real;
  } catch (error) {
    throw new SafeShutdownError("refused", `the root cannot be used: ${messageOf(error)}`, { cause: error });
  }
  throw new SafeShutdownError("refused", `the root ${JSON.stringify(path)} is not a directory`);
}

function reasonToRefuse(root: string): string | undefined {
  if (root === "/" || isSame(root, "/")) return "it is the root of the file system";
  const isHome =
    dirname(root) === "/home" || dirname(root) === "/Users" || homes().some((home) => isSame(root, home));
  if (isHome) return "it is a home directory";
  if (SYSTEM_DIRECTORIES.some((directory) => isSame(root, directory))) return "it is a system directory";
  const isShared = root.startsWith(`${SHARED_MEMORY}/`);
  const tree = SYSTEM_TREES.find((system) => `${root}/`.startsWith(`${system}/`));
  if (tree !== undefined && !isShared) return `it lies in the system directory ${tree}`;
  const kind = KERNEL_FILE_SYSTEMS.get(statfsSync(root).type);
  return kind && `it is on ${kind}, where files are not files but the kernel's own switches`;
}

/** What $HOME says, and what the system says, which a user without a name is not known to. */
function homes(): string[] {
  try {
    return [homedir(), userInfo().homedir];
  } catch {
    return [homedir()];
  }
}

/** A bind mount gives a directory a second name, but no second inode. */
function isSame(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [a, b].map((path) => statSync(path, { throwIfNoEntry: false }));
  return left !== undefined && left.dev === right?.dev && left.ino === right.ino;
}
