import { type Stats, statfsSync, statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { dirname, resolve } from "node:path";
import { messageOf, SafeShutdownError } from "../errors.ts";
import { mayLogIn, people } from "./people.ts";
import { type Step, wayTo } from "./way-to.ts";

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
 * Throws `refused` when it is missing, no directory, `/`, a home directory or a system directory, and when somebody else's
 * link leads to it.
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
  const steps = stepsTo(path);
  const end = steps.at(-1);
  if (end?.stats.isDirectory() !== true)
    throw new SafeShutdownError("refused", `the root ${JSON.stringify(path)} is not a directory`);
  const link = steps.find(({ stats }) => stats.isSymbolicLink() && !mayLead(stats, end.stats));
  if (link === undefined) return end.at;
  const why = `uid ${link.stats.uid} made this link, and uid ${end.stats.uid} owns ${JSON.stringify(end.at)}, where it leads`;
  const message = `the root leads through ${JSON.stringify(link.at)}: ${why}. Name the directory itself with --root.`;
  throw new SafeShutdownError("refused", message);
}

function stepsTo(path: string): Step[] {
  try {
    return [...wayTo(resolve(path))];
  } catch (error) {
    throw new SafeShutdownError("refused", `the root cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Whose link may lead to the root: root's, ours, or of whom the root belongs to. With another's he could send us, with
 * our rights, to whatever application he likes; the kernel's protected_symlinks (proc(5)) is the same idea.
 */
function mayLead(link: Stats, end: Stats): boolean {
  return [0, process.geteuid?.(), end.uid].includes(link.uid);
}

function reasonToRefuse(root: string): string | undefined {
  if (root === "/" || isSame(root, "/")) return "it is the root of the file system";
  const isHome =
    dirname(root) === "/home" || dirname(root) === "/Users" || ownHomes().some((home) => isSame(root, home));
  if (isHome) return "it is a home directory";
  const person = people().find(({ home }) => isSame(root, home));
  if (person !== undefined) return `it is a home directory, of ${person.name}`;
  if (SYSTEM_DIRECTORIES.some((directory) => isSame(root, directory))) return "it is a system directory";
  const isShared = root.startsWith(`${SHARED_MEMORY}/`);
  const tree = SYSTEM_TREES.find((system) => `${root}/`.startsWith(`${system}/`));
  if (tree !== undefined && !isShared) return `it lies in the system directory ${tree}`;
  const kind = KERNEL_FILE_SYSTEMS.get(statfsSync(root).type);
  return kind && `it is on ${kind}, where files are not files but the kernel's own switches`;
}

/**
 * What $HOME says, and what the system says, which a user without a name is not known to. The home of a service's account,
 * which nobody logs in to, is none: it is where the service lives.
 */
function ownHomes(): string[] {
  const home = homedir();
  try {
    const account = userInfo();
    if (mayLogIn(account.shell)) return [home, account.homedir];
    return isSame(home, account.homedir) ? [] : [home];
  } catch {
    return [home];
  }
}

/** A bind mount gives a directory a second name, but no second inode. */
function isSame(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [a, b].map(statsOf);
  return left !== undefined && left.dev === right?.dev && left.ino === right.ino;
}

/** Of somebody's home that cannot be reached from here nothing is known; then it is not what was reached. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
