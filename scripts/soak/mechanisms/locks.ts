import type { Mechanism } from "./mechanism.ts";

const LOCKS_HAND = "src/system/locks.ts";
const OPEN_FILES = "src/system/open-files.ts";
const OWNER = "src/system/lock-owner.ts";
const ON_FILE_SYSTEMS = "test/system/locks-on-file-systems.test.ts";
const OF_OWNERS = "test/safety/lock-owners.test.ts";
const OF_LOCKS = "test/system/locks.test.ts";

/** Section "Locks" of docs/safety.md. */
export const LOCKS: readonly Mechanism[] = [
  {
    promise: "A lock that anybody has open is live",
    edits: [{ file: LOCKS_HAND, find: "this.#opener(this.#openFiles, file) ??", replace: "" }],
    test: { file: OF_LOCKS, name: "it is merely open" },
  },
  {
    promise: "A lock that anybody has open is live",
    edits: [{ file: OPEN_FILES, find: "add(byInode,", replace: "if (pid < 0) add(byInode," }],
    test: { file: "test/system/open-files.test.ts", name: "who has a file open is found by its inode" },
  },
  {
    promise: "A lock that anybody has open is live",
    edits: [{ file: OPEN_FILES, find: "(byPath.get(path) ?? [])", replace: "[]" }],
    test: { file: "test/system/open-files.test.ts", name: "a file is also found by its path" },
  },
  {
    promise: "A kernel lock of any kind keeps it, also without a descriptor",
    edits: [{ file: LOCKS_HAND, find: "this.#kernelLock(file) ??", replace: "" }],
    test: { file: OF_LOCKS, name: "lock of root is found by the kernel's own list" },
  },
  {
    promise: "A kernel lock of any kind keeps it, also without a descriptor",
    edits: [{ file: LOCKS_HAND, find: "this.#kernelLock(file) ??", replace: "" }],
    test: { file: ON_FILE_SYSTEMS, name: "a lock that is held through a mapping" },
  },
  {
    promise: "It is right on overlayfs and btrfs",
    edits: [{ file: OPEN_FILES, find: "...(mount === undefined ? [] : [mount.device])", replace: "" }],
    test: {
      file: ON_FILE_SYSTEMS,
      name: "a lock is live that was opened under another path, as in a container",
    },
  },
  {
    promise: "It is right on overlayfs and btrfs",
    edits: [
      {
        file: LOCKS_HAND,
        find: "[deviceNameOf(file.device), this.#mount?.device]",
        replace: "[deviceNameOf(file.device)]",
      },
    ],
    test: { file: ON_FILE_SYSTEMS, name: "a plain user is told of a lock that root holds" },
  },
  {
    promise: "What only looks alike is not taken for it",
    edits: [
      {
        file: OPEN_FILES,
        find: "mount?.device ?? deviceBehind(link)",
        replace: "mount?.device ?? devices[0]",
      },
    ],
    test: {
      file: "test/system/open-files.test.ts",
      name: "what a process keeps in memory is not taken for a file with the same inode",
    },
  },
  {
    promise: "A lock that names a live owner is live, in whatever form",
    edits: [{ file: LOCKS_HAND, find: "if (named !== undefined) return named;", replace: "" }],
    test: { file: OF_LOCKS, name: "while the owner named in it as" },
  },
  {
    promise: "A lock that names a live owner is live, in whatever form",
    edits: [
      {
        file: LOCKS_HAND,
        find: "return pid === undefined ? undefined : unknown(`it holds the number",
        replace: "return pid !== -1 ? undefined : unknown(`it holds the number",
      },
    ],
    test: {
      file: OF_OWNERS,
      name: "in no known form a number that is a process older than the lock is kept",
    },
  },
  {
    promise: "A lock that names a live owner is live, in whatever form",
    edits: [
      { file: OWNER, find: "return [...new Set(pids)]", replace: "return [...new Set(pids.slice(0, 1))]" },
    ],
    test: {
      file: "test/system/lock-owner.test.ts",
      name: "every owner that is named counts: one that lives is enough",
    },
  },
  {
    promise: "A lock that names another host is kept",
    edits: [
      {
        file: LOCKS_HAND,
        find: "if (host !== undefined && host.toLowerCase() !== hostname().toLowerCase())",
        replace: "if (host === '')",
      },
    ],
    test: { file: OF_OWNERS, name: "another host" },
  },
  {
    promise: "A lock on a file system that other hosts may use is kept",
    edits: [
      {
        file: "src/system/mounts.ts",
        find: "return LOCAL.includes(type);",
        replace: "return type !== '' || LOCAL.includes(type);",
      },
    ],
    test: { file: ON_FILE_SYSTEMS, name: "a lock on a file system that other hosts may use is not free" },
  },
  {
    promise: "A database or journal of SQLite is never a stale lock",
    edits: [
      {
        file: LOCKS_HAND,
        find: "if (isSqlite(content)) return unknown(",
        replace: "if (content.length < 0) return unknown(",
      },
    ],
    test: { file: OF_OWNERS, name: "nothing, being a hot journal of SQLite" },
  },
  {
    promise: "A link as Chrome and Emacs make it is judged by its text",
    edits: [
      {
        file: LOCKS_HAND,
        find: "if (owners.length === 0 || leadsSomewhere) return unknown(",
        replace: "if (owners.length < 0) return unknown(",
      },
    ],
    test: { file: OF_OWNERS, name: "is kept when it leads to" },
  },
  {
    promise: "A link as Chrome and Emacs make it is judged by its text",
    edits: [
      {
        file: LOCKS_HAND,
        find: 'if (file.kind === "link") return this.#ownerInLink(file) ??',
        replace: 'if (file.kind === "link") return',
      },
    ],
    test: { file: OF_OWNERS, name: "is kept while its owner lives, and then goes" },
  },
  {
    promise: "What cannot be seen keeps a lock",
    edits: [{ file: LOCKS_HAND, find: "if (hiddenProcesses > 0) {", replace: "if (hiddenProcesses < 0) {" }],
    test: { file: OF_LOCKS, name: "a lock that root has open is unknown, not free" },
  },
  {
    promise: "What cannot be seen keeps a lock",
    edits: [
      {
        file: OPEN_FILES,
        find: "if (path === DENIED) return false;",
        replace: "if (path === DENIED) return true;",
      },
      {
        file: OPEN_FILES,
        find: "if (text === DENIED) return false;",
        replace: "if (text === DENIED) return true;",
      },
    ],
    test: {
      file: ON_FILE_SYSTEMS,
      name: "where even root may not look into others, it is said what would tell",
    },
  },
  {
    promise: "What cannot be seen keeps a lock",
    edits: [
      {
        file: "src/system/process-list.ts",
        find: 'if (readStatIn("/proc/1") === undefined)',
        replace: "if (trustNamespace === undefined)",
      },
    ],
    test: { file: "test/safety/foreign-pid-files.test.ts", name: "takes no lock for free" },
  },
  {
    promise: "What cannot be seen keeps a lock",
    edits: [
      {
        file: "src/system/process-list.ts",
        find: "if (trustNamespace || seesAllProcesses()) return undefined;",
        replace: "if (trustNamespace !== undefined) return undefined;",
      },
    ],
    test: {
      file: "test/safety/pid-namespace.test.ts",
      name: "from inside, a lock that somebody outside holds is kept",
    },
  },
  {
    promise: "A lock that is taken between the look and the removal is kept",
    edits: [
      {
        file: LOCKS_HAND,
        find: 'if (this.#options.mode === "apply") this.#openFiles = undefined;',
        replace: "",
      },
    ],
    test: { file: OF_LOCKS, name: "the last look is a new one: it sees who opened the lock since" },
  },
  {
    promise: "A lock that is taken between the look and the removal is kept",
    edits: [
      {
        file: "jobs/clean-session-locks.ts",
        find: "lastLook: () => why(() => locks.holderNow(entry)),",
        replace: "",
      },
    ],
    test: {
      file: "test/jobs/clean-session-locks.test.ts",
      name: "a lock that is only locked meanwhile, and not written, is seen by the last look",
    },
  },
  {
    promise: "Too long, unreadable, replaced: kept",
    edits: [
      {
        file: LOCKS_HAND,
        find: "if (content.length > LOCK_MAX_BYTES) return unknown(",
        replace: "if (content.length < 0) return unknown(",
      },
    ],
    test: { file: OF_LOCKS, name: "it is longer than a lock" },
  },
  {
    promise: "Too long, unreadable, replaced: kept",
    edits: [
      {
        file: LOCKS_HAND,
        find: 'if (content === undefined) return unknown("it cannot be read");',
        replace: "if (content === undefined) return undefined;",
      },
    ],
    test: { file: OF_LOCKS, name: "when it was replaced since it was looked at" },
  },
];
