import { realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import { messageOf, SafeShutdownError } from "../errors.ts";

/** Directories of the system itself: nothing directly in them is an application. */
const SYSTEM_DIRECTORIES = [
  ..."/bin /boot /dev /etc /home /lib /lib32 /lib64 /media /mnt /opt /proc /root /run /sbin /srv /sys".split(
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

/** A bind mount gives a directory a second name, but no second inode. */
function isSame(a: string, b: string): boolean {
  const [left, right] = [statSync(a), statSync(b)];
  return left.dev === right.dev && left.ino === right.ino;
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
  if (root === homedir() || dirname(root) === "/home" || dirname(root) === "/Users") {
    return "it is a home directory";
  }
  if (SYSTEM_DIRECTORIES.includes(root)) return "it is a system directory";
  const tree = SYSTEM_TREES.find((system) => `${root}/`.startsWith(`${system}/`));
  return tree === undefined ? undefined : `it lies in the system directory ${tree}`;
}
