import type { Mechanism } from "./mechanism.ts";

const DIRECTORY = "src/system/directory.ts";
const WORKING_DIRECTORY = "src/system/working-directory.ts";
const EVIDENCE = "src/system/evidence.ts";
const REMOVER = "src/system/remover.ts";
const JOB = "jobs/clean-temp-files.ts";
const POLICY = "jobs/temp-policy.ts";
const ENTRY = "src/system/file-entry.ts";
const CONTENTS = "src/system/contents.ts";
const PATTERNS = "src/system/patterns.ts";
const ROOT = "src/system/root.ts";
const NAMES = "src/system/name-pattern.ts";
const WALK = "src/system/walk.ts";
const OF_DIRECTORY = "test/system/directory.test.ts";
const OF_WORKING_DIRECTORY = "test/system/working-directory.test.ts";
const OF_FILES = "test/system/files.test.ts";
const OF_JOB = "test/jobs/clean-temp-files.test.ts";
const OF_PATTERNS = "test/system/patterns.test.ts";
const OF_GLOBS = "test/system/glob.test.ts";
const OF_WALK = "test/system/walk.test.ts";
const OF_ROOT = "test/system/root.test.ts";
const RANDOM_TREES = "test/safety/random-trees.test.ts";

/** Section "Files" of docs/safety.md. Tests of roots ask only, and run nothing: see them before naming another. */
export const FILES: readonly Mechanism[] = [
  {
    promise: "No symbolic link is followed, whichever part of a path it is",
    edits: [{ file: DIRECTORY, find: " | constants.O_NOFOLLOW;", replace: ";" }],
    test: { file: OF_DIRECTORY, name: "a link is not even opened" },
  },
  {
    promise: "No symbolic link is followed, whichever part of a path it is",
    edits: [{ file: DIRECTORY, find: "if (!this.#isProved(held)) throw", replace: "if (held.fd < 0) throw" }],
    test: { file: OF_DIRECTORY, name: "is not entered" },
  },
  {
    promise: "No symbolic link is followed, whichever part of a path it is",
    edits: [{ file: WORKING_DIRECTORY, find: "if (where !== real)", replace: "if (where === undefined)" }],
    test: { file: OF_WORKING_DIRECTORY, name: "is not entered" },
  },
  {
    promise: "No action through a swapped directory",
    edits: [
      {
        file: DIRECTORY,
        find: "last?.path === path && this.#isProved(last)",
        replace: "last?.path === path",
      },
      {
        file: DIRECTORY,
        find: "known !== undefined && this.#isProved(known)",
        replace: "known !== undefined",
      },
    ],
    test: { file: OF_DIRECTORY, name: "is proved again" },
  },
  {
    promise: "No action through a swapped directory",
    edits: [
      {
        file: DIRECTORY,
        find: "return prefix + name;",
        replace: "return prefix === '' ? name : join(readlinkSync(prefix.slice(0, -1)), name);",
      },
    ],
    test: { file: OF_DIRECTORY, name: "a path that was handed out leads to the old directory" },
  },
  {
    promise: "No action through a swapped directory",
    edits: [
      {
        file: WORKING_DIRECTORY,
        find: "this.#held?.path === path && here() === real",
        replace: "this.#held?.path === path",
      },
    ],
    test: { file: OF_WORKING_DIRECTORY, name: "is proved again" },
  },
  {
    promise: "No mount is entered, of another file system or of the same",
    edits: [
      {
        file: DIRECTORY,
        find: "if (mountOf(held.fd) !== this.#rootMount) throw",
        replace: "if (held.fd < 0) throw",
      },
    ],
    test: { file: OF_DIRECTORY, name: "a mount lies on it" },
  },
  {
    promise: "No mount is entered, of another file system or of the same",
    edits: [
      {
        file: WORKING_DIRECTORY,
        find: "if (mountHere() !== this.#rootMount) throw",
        replace: "if (dev < 0) throw",
      },
    ],
    test: { file: OF_WORKING_DIRECTORY, name: "a mount lies on it" },
  },
  {
    promise: "A file goes only as it was looked at",
    edits: [
      {
        file: REMOVER,
        find: "if (!isSame(entry, now)) return",
        replace: "if (now.path !== entry.path) return",
      },
    ],
    test: { file: OF_FILES, name: "it is left alone" },
  },
  {
    promise: "A file goes only as it was looked at",
    edits: [
      {
        file: EVIDENCE,
        find: "entry.changedAtMs === now.changedAtMs || entry.links > 1",
        replace: "entry.links > 0",
      },
    ],
    test: { file: OF_FILES, name: "it is left alone" },
  },
  {
    promise: "A file goes only as it was looked at",
    edits: [{ file: EVIDENCE, find: " || entry.links > 1", replace: "" }],
    test: {
      file: OF_FILES,
      name: "of a file with two names each goes, though the first removal changes the file",
    },
  },
  {
    promise: "A file goes only as it was looked at",
    edits: [
      {
        file: EVIDENCE,
        find: "if (entry.device !== now.device || entry.inode !== now.inode) return false;",
        replace: "",
      },
    ],
    test: { file: OF_FILES, name: "stays whole when it was replaced since it was looked at" },
  },
  {
    promise: "A file goes only as it was looked at",
    edits: [
      {
        file: ENTRY,
        find: "if (stats === undefined || Number.isSafeInteger(stats.ino))",
        replace: "if (stats === undefined || stats.ino > 0)",
      },
    ],
    test: {
      file: "test/system/exact-inodes.test.ts",
      name: "a file is known by its inode to the last digit",
    },
  },
  {
    promise: "Only regular files go; links, sockets, FIFOs and devices stay",
    edits: [
      { file: POLICY, find: 'if (file.kind !== "file") return "it is not a regular file";', replace: "" },
    ],
    test: { file: OF_JOB, name: "keeps what is no regular file, whatever it is called" },
  },
  {
    promise: "Only regular files go; links, sockets, FIFOs and devices stay",
    edits: [{ file: "src/system/read-untouched.ts", find: 'entry.kind !== "file" || ', replace: "" }],
    test: { file: "test/system/read-untouched.test.ts", name: "is not read, and not waited for" },
  },
  {
    promise: "Only regular files go; links, sockets, FIFOs and devices stay",
    edits: [{ file: "src/system/read-untouched.ts", find: "constants.O_NOFOLLOW | ", replace: "" }],
    test: { file: "test/system/read-untouched.test.ts", name: "is not read, and not waited for" },
  },
  {
    promise: "A temp rule takes no lock, nothing that a process has open",
    edits: [{ file: POLICY, find: "if (isLock(entry.path)) return LOCK;", replace: "" }],
    test: {
      file: "test/safety/preserve-wins.test.ts",
      name: "that a locks rule is about, held or stale, old or young",
    },
  },
  {
    promise: "A temp rule takes no lock, nothing that a process has open",
    edits: [
      {
        file: POLICY,
        find: "return pid === undefined ? undefined : `pid",
        replace: "return pid !== -1 ? undefined : `pid",
      },
    ],
    test: { file: OF_JOB, name: "keeps a rotated log that somebody still writes to" },
  },
  {
    promise: "A temp rule takes no lock, nothing that a process has open",
    edits: [
      {
        file: JOB,
        find: "return servicesNow().then(",
        replace: "return reason === '' ? reason : servicesNow().then(() => []).then(",
      },
    ],
    test: { file: OF_JOB, name: "beat's schedule stays" },
  },
  {
    promise: "A temp rule takes no lock, nothing that a process has open",
    edits: [
      {
        file: JOB,
        find: "isForAProcess(rule) ? () => look(lastSurvey) : undefined",
        replace: "isForAProcess(rule) ? undefined : undefined",
      },
    ],
    test: { file: OF_JOB, name: "when beat starts between the first look and the removal" },
  },
  {
    promise: "A sparse giant and one of several hard links free what they really free",
    edits: [{ file: ENTRY, find: "Math.min(stats.size, stats.blocks * 512)", replace: "stats.size" }],
    test: { file: OF_WALK, name: "removing gives back" },
  },
  {
    promise: "A sparse giant and one of several hard links free what they really free",
    edits: [{ file: ENTRY, find: " || stats.nlink > 1) return 0;", replace: ") return 0;" }],
    test: { file: OF_WALK, name: "removing gives back" },
  },
  {
    promise: "A directory goes as a unit only when it holds nothing unexpected",
    edits: [
      { file: CONTENTS, find: "!child.isFile() || !isExpected(name) ||", replace: "!child.isFile() ||" },
    ],
    test: { file: OF_FILES, name: "a file that no bytecode compiler" },
  },
  {
    promise: "A directory goes as a unit only when it holds nothing unexpected",
    edits: [
      {
        file: CONTENTS,
        find: "!child.isFile() || !isExpected(name) ||",
        replace: "child.isDirectory() || !isExpected(name) ||",
      },
    ],
    test: { file: OF_FILES, name: "stays whole when it holds" },
  },
  {
    promise: "A directory goes as a unit only when it holds nothing unexpected",
    edits: [{ file: CONTENTS, find: "if (guard !== undefined) {", replace: "if (guard === '') {" }],
    test: { file: "test/safety/preserve-wins.test.ts", name: "a directory that would go as a unit stays" },
  },
  {
    promise: "A directory goes as a unit only when it holds nothing unexpected",
    edits: [
      {
        file: REMOVER,
        find: "const obstacle = yield* obstacleTo(unit);",
        replace: "const obstacle: string | undefined = yield* [];",
      },
    ],
    test: {
      file: "test/system/sweepers.test.ts",
      name: "a directory that something is put into between look and removal stays whole",
    },
  },
  {
    promise: "A directory goes as a unit only when it holds nothing unexpected",
    edits: [{ file: POLICY, find: "Math.max(newest, file.modifiedAtMs)", replace: "newest" }],
    test: { file: OF_JOB, name: "is as old as its newest file" },
  },
  {
    promise: "Preserve beats every rule, in every spelling",
    edits: [{ file: PATTERNS, find: "patterns.map(guardOf), forgiving)", replace: "patterns.map(guardOf))" }],
    test: { file: OF_PATTERNS, name: "a path is preserved" },
  },
  {
    promise: "Preserve beats every rule, in every spelling",
    edits: [
      {
        file: PATTERNS,
        find: 'name.normalize("NFKC").toUpperCase().normalize("NFKC")',
        replace: "name.toUpperCase()",
      },
    ],
    test: { file: OF_PATTERNS, name: "a path is preserved" },
  },
  {
    promise: "Preserve beats every rule, in every spelling",
    edits: [
      { file: PATTERNS, find: "if (names.length === 1) return", replace: "if (names.length < 0) return" },
    ],
    test: { file: OF_PATTERNS, name: "a path is preserved" },
  },
  {
    promise: "Preserve beats every rule, in every spelling",
    edits: [
      { file: PATTERNS, find: 'while (names.length > 1 && names.at(-1) === "**") names.pop();', replace: "" },
    ],
    test: { file: OF_PATTERNS, name: "a path is preserved" },
  },
  {
    promise: "Preserve beats every rule, in every spelling",
    edits: [
      {
        file: WALK,
        find: "look(held, name, rule, search.guardOf(spot, name))",
        replace: "look(held, name, rule, undefined)",
      },
    ],
    test: { file: OF_WALK, name: "a preserved file that a rule names is told with the reason" },
  },
  {
    promise: "… also through a symbolic link in the preserve list",
    edits: [
      {
        file: "src/system/linked-names.ts",
        find: "[pattern, ...realNameOf(root, pattern)]",
        replace: "[pattern]",
      },
    ],
    test: { file: "test/safety/preserve-wins.test.ts", name: "protects what" },
  },
  {
    promise: "A preserve pattern that cannot be read is refused, not ignored",
    edits: [
      {
        file: "src/config/danger-checks.ts",
        find: "return [...ofRules, ...preserve];",
        replace: "return ofRules;",
      },
    ],
    test: { file: "test/config/checks.test.ts", name: "what is preserved is not closed" },
  },
  {
    promise: "A rule, or an expression, that means whatever there is is refused",
    edits: [
      {
        file: "src/config/danger-checks.ts",
        find: "!STRANGERS.some(matcherOf([glob]))",
        replace: "glob !== ''",
      },
    ],
    test: { file: "test/config/checks.test.ts", name: "would match whatever there is" },
  },
  {
    promise: "A rule, or an expression, that means whatever there is is refused",
    edits: [
      {
        file: "src/config/danger-checks.ts",
        find: "!matchesAnything(source)) return [];",
        replace: "source !== '') return [];",
      },
    ],
    test: { file: "test/config/checks.test.ts", name: "proves nothing" },
  },
  {
    promise: "A virtual environment stays, whatever it is called",
    edits: [
      {
        file: WALK,
        find: "if (mayBeEnvironment && isVirtualEnvironment(held, children)) return;",
        replace: "",
      },
    ],
    test: { file: OF_WALK, name: "a virtual environment of any name, told by its pyvenv.cfg" },
  },
  {
    promise: "The root is an application's directory: not `/`",
    edits: [{ file: ROOT, find: 'if (root === "/" || isSame(root, "/"))', replace: 'if (root === "")' }],
    test: { file: OF_ROOT, name: "it is the root of the file system" },
  },
  {
    promise: "The root is an application's directory: not `/`",
    edits: [{ file: ROOT, find: 'if (isHome) return "it is a home directory";', replace: "" }],
    test: {
      file: "test/system/root-homes.test.ts",
      name: "the home that the system knows is refused, whatever $HOME says",
    },
  },
  {
    promise: "The root is an application's directory: not `/`",
    edits: [
      {
        file: ROOT,
        find: "if (SYSTEM_DIRECTORIES.some((directory) => isSame(root, directory))) return",
        replace: "if (root === '') return",
      },
    ],
    test: { file: OF_ROOT, name: "it is a system directory" },
  },
  {
    promise: "The root is an application's directory: not `/`",
    edits: [
      {
        file: ROOT,
        find: "if (tree !== undefined && !isShared) return",
        replace: "if (tree === '' && !isShared) return",
      },
    ],
    test: { file: OF_ROOT, name: "it lies in the system directory" },
  },
  {
    promise: "The root is an application's directory: not `/`",
    edits: [
      {
        file: ROOT,
        find: "return left !== undefined && left.dev === right?.dev && left.ino === right.ino;",
        replace: "return left?.ino === -1 && right?.ino === -1;",
      },
    ],
    test: { file: OF_ROOT, name: "a second name of a system directory" },
  },
  {
    promise: "The root is an application's directory: not `/`",
    edits: [
      {
        file: ROOT,
        find: "const kind = KERNEL_FILE_SYSTEMS.get(statfsSync(root).type);",
        replace: 'const kind = root === "" ? KERNEL_FILE_SYSTEMS.get(statfsSync(root).type) : undefined;',
      },
    ],
    test: { file: OF_ROOT, name: "a mount of the kernel" },
  },
  {
    promise: "The root is an application's directory: not `/`",
    edits: [
      { file: ROOT, find: "if (person !== undefined) return", replace: "if (person?.name === '') return" },
    ],
    test: {
      file: "test/system/root-homes.test.ts",
      name: "that the home of somebody else is none of an application",
    },
  },
  {
    promise: "A link of another user leads nobody to the root",
    edits: [
      {
        file: ROOT,
        find: "return [0, process.geteuid?.(), end.uid].includes(link.uid);",
        replace: "return [link.uid, end.uid].includes(link.uid);",
      },
    ],
    test: {
      file: "test/safety/roots.test.ts",
      name: "with which a user sends root to somebody else's application is refused",
    },
  },
  {
    promise: "No file name holds up the search",
    edits: [
      {
        file: NAMES,
        find: 'return { kind: "wild", means: tokenMatcher(tokens) };',
        replace: `const parts = tokens.map((token) => (token === STAR ? ".*" : typeof token === "string" ? token : "."));
          const expression = new RegExp("^" + parts.join("") + "$", "s");
          return { kind: "wild", means: (name) => expression.test(name) };`,
      },
    ],
    test: { file: OF_GLOBS, name: "a hostile name does not hold up the search" },
  },
  {
    promise: "No file name holds up the search",
    edits: [
      {
        file: NAMES,
        find: "means: chunkMatcher(texts, tokens[0] === STAR, tokens.at(-1) === STAR) };",
        replace: `means: (name) => {
            return new RegExp("^" + tokens.map((token) => (token === STAR ? ".*" : token)).join("") + "$", "s").test(name);
          } };`,
      },
    ],
    test: { file: OF_GLOBS, name: "{*a*a,*a*a*a}*{b,c}" },
  },
  {
    promise: "A glob means what it means to everybody",
    edits: [{ file: NAMES, find: "return at <= name.length - suffix.length;", replace: "return at >= 0;" }],
    test: { file: OF_GLOBS, name: "does not mean" },
  },
  {
    promise: "A glob means what it means to everybody",
    edits: [
      { file: NAMES, find: 'const wanted = negation === "";', replace: "const wanted = negation !== 'x';" },
    ],
    test: { file: OF_GLOBS, name: "whatever the pattern and the path" },
  },
  {
    promise: "A glob means what it means to everybody",
    edits: [{ file: NAMES, find: "at = starAt;", replace: "at += 1;" }],
    test: { file: OF_GLOBS, name: "*[a]b" },
  },
  {
    promise: "A glob means what it means to everybody",
    edits: [
      {
        file: "src/system/glob-set.ts",
        find: 'if (step?.pattern.kind === "any names" && !step.isLast) expected.add(number + 1);',
        replace: "",
      },
    ],
    test: { file: OF_GLOBS, name: "whatever the pattern and the path" },
  },
  {
    promise: "A glob means what it means to everybody",
    edits: [
      {
        file: "src/system/glob-set.ts",
        find: 'const known = literal === undefined ? "" : folded;',
        replace: 'const known = literal === undefined ? "" : "x";',
      },
    ],
    test: { file: OF_GLOBS, name: "whichever of many is asked about, whatever was asked before" },
  },
  {
    promise: "What goes is what the rules mean; a plan says the same",
    edits: [{ file: "src/system/glob-set.ts", find: "if (glob >= best) break;", replace: "" }],
    test: {
      file: OF_WALK,
      name: "one search answers for all rules, and the first that matches takes the entry",
    },
  },
  {
    promise: "What goes is what the rules mean; a plan says the same",
    edits: [
      {
        file: POLICY,
        find: "olderThanMs > 0 && ageMs < olderThanMs ?",
        replace: "olderThanMs > 0 && ageMs < 0 ?",
      },
    ],
    test: { file: RANDOM_TREES, name: "what goes is what the rules mean" },
  },
  {
    promise: "A glob means what it means to everybody",
    edits: [{ file: "src/system/glob.ts", find: 'if (glob.startsWith("!"))', replace: 'if (glob === "")' }],
    test: { file: OF_GLOBS, name: "is refused:" },
  },
  {
    promise: "A name that is not UTF-8, a path beyond `PATH_MAX`",
    edits: [{ file: ENTRY, find: 'return !name.includes("\\uFFFD");', replace: 'return name !== "";' }],
    test: { file: OF_WALK, name: "a name that is not UTF-8 is kept" },
  },
  {
    promise: "A name that is not UTF-8, a path beyond `PATH_MAX`",
    edits: [
      {
        file: WALK,
        find: "if (error instanceof DirectoryChanged) return error.message;",
        replace: "throw error;",
      },
    ],
    test: { file: "test/safety/deep-trees.test.ts", name: "is kept with the reason, and the rest goes" },
  },
  {
    promise: "A file name can neither forge a line of the report nor drive a terminal",
    edits: [{ file: "src/report/words.ts", find: "\\p{Cc}\\p{Cf}\\p{Cs}", replace: "\\p{Cc}\\p{Cs}" }],
    test: { file: "test/report/words.test.ts", name: "is shown so that it cannot do anything" },
  },
  {
    promise: "A file name can neither forge a line of the report nor drive a terminal",
    edits: [
      {
        file: "src/report/words.ts",
        find: "return json.replace(UNPRINTABLE, (character) => {",
        replace: "return json.replace(/\\x9b/g, (character) => {",
      },
    ],
    test: {
      file: "test/report/words.test.ts",
      name: "JSON says the same when what a terminal would act on is escaped in it",
    },
  },
  {
    promise: "The event loop is never held",
    edits: [
      {
        file: "src/system/turns.ts",
        find: "return this.#clock.elapsed() >= this.#endsAtMs;",
        replace: "return this.#clock.elapsed() < 0;",
      },
    ],
    test: { file: "test/system/event-loop.test.ts", name: "leaves the event loop its turns" },
  },
];
