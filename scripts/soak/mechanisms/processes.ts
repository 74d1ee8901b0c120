import type { Mechanism } from "./mechanism.ts";

const HELD = "src/system/held-process.ts";
const SIGNALS = "src/system/signals.ts";
const HANDS = "src/system/processes.ts";
const STRAYS = "src/system/strays.ts";
const STOPPING = "src/system/stopping.ts";
const TREE = "src/system/process-tree.ts";
const PID_FILE = "src/system/pid-file.ts";
const STAT = "src/system/process-stat.ts";
const OF_STOPPING = "test/system/stopping.test.ts";
const OF_PROCESSES = "test/system/processes.test.ts";
const FOREIGN = "test/safety/foreign-pid-files.test.ts";
const SERVICE_USER = "test/safety/service-user.test.ts";

/** Section "Processes" of docs/safety.md. Nothing here may lead a test to signal a process that it has not started. */
export const PROCESSES: readonly Mechanism[] = [
  {
    promise: "A pid that another process got is not signalled",
    edits: [
      {
        file: HELD,
        find: "startTicks === undefined || now.startTicks === startTicks",
        replace: "now !== undefined",
      },
    ],
    test: { file: "test/system/held-process.test.ts", name: "only the process that was observed is held" },
  },
  {
    promise: "A pid that another process got is not signalled",
    edits: [
      {
        file: HELD,
        find: "function directoryOf(fd: number): string {",
        replace: "function directoryOf(fd: number): string {\n  if (fd >= 0) return '/proc/self';",
      },
    ],
    test: {
      file: "test/system/held-process.test.ts",
      name: "what is held of a process that has ended tells nothing",
    },
  },
  {
    promise: "… nor in the very moment of the signal",
    edits: [
      {
        file: SIGNALS,
        find: "const sent = sendThrough(fds, signal, { senders: this.#senders });",
        replace: 'const sent = fds.map(() => "unable");',
      },
    ],
    test: {
      file: "test/system/signals.test.ts",
      name: "no number is signalled, which could be another's by then",
    },
  },
  {
    promise: "A process that became another program is not signalled",
    edits: [
      {
        file: SIGNALS,
        find: "identity?.matches.test(now.commandLine) === false",
        replace: "identity?.matches.test(process.commandLine) === false",
      },
    ],
    test: {
      file: OF_PROCESSES,
      name: "is not sent when the process became another program by exec",
    },
  },
  {
    promise: "A process that became another program is not signalled",
    edits: [
      {
        file: STOPPING,
        find: 'if (stopped.outcome !== "done") return withoutWaiting(stopped,',
        replace: 'if (stopped.outcome === "failed") return withoutWaiting(stopped,',
      },
    ],
    test: { file: OF_STOPPING, name: "a process that became another program is not killed, nor stopped" },
  },
  {
    promise: "A thread's number stands for no process",
    edits: [{ file: HELD, find: 'if (processId !== pid) return "a thread has its number";', replace: "" }],
    test: { file: "test/system/held-process.test.ts", name: "only the process that was observed is held" },
  },
  {
    promise: "A thread's number stands for no process",
    edits: [
      {
        file: PID_FILE,
        find: "if (status !== undefined && status.processId !== pid)",
        replace: "if (status !== undefined && pid < 0)",
      },
    ],
    test: {
      file: "test/safety/threads.test.ts",
      name: "a pid file with the number of a thread is no leftover to clean either",
    },
  },
  {
    promise: "Never itself, an ancestor, pid 1, another safe-shutdown",
    edits: [
      { file: SIGNALS, find: "if (this.#options.own.has(process.pid))", replace: "if (process.pid < 0)" },
    ],
    test: { file: "test/system/signals.test.ts", name: "each of several is judged by itself" },
  },
  {
    promise: "Never itself, an ancestor, pid 1, another safe-shutdown",
    edits: [{ file: HANDS, find: "new Set([1, process.pid])", replace: "new Set([1])" }],
    test: { file: OF_PROCESSES, name: "never counts itself as a stray" },
  },
  {
    promise: "Never itself, an ancestor, pid 1, another safe-shutdown",
    edits: [
      {
        file: HANDS,
        find: "if (isSafeShutdown(finding.process.commandLine))",
        replace: "if (isSafeShutdown(''))",
      },
    ],
    test: { file: FOREIGN, name: "the pid of another safe-shutdown leads to no signal" },
  },
  {
    promise: "A pid file names nobody who started after it",
    edits: [{ file: PID_FILE, find: "if (isLate(process)) {", replace: "if (pid < 0) {" }],
    test: { file: "test/system/pid-file.test.ts", name: "before the process started" },
  },
  {
    promise: "A pid file stops only whom its owner could stop",
    edits: [
      { file: PID_FILE, find: "if (!mayName(file.ownerId, status.ownerIds)) {", replace: "if (pid < 0) {" },
    ],
    test: { file: FOREIGN, name: "stops nobody else's process, whatever the process looks like" },
  },
  {
    promise: "A service that names its `user` has only his processes stopped",
    edits: [
      {
        file: PID_FILE,
        find: "if (foreign !== undefined) return unsure(",
        replace: "if (pid < 0) return unsure(",
      },
    ],
    test: { file: SERVICE_USER, name: "leaves alone what is not his" },
  },
  {
    promise: "A service that names its `user` has only his processes stopped",
    edits: [
      {
        file: HANDS,
        find: "return status && this.#users.whyNotOf(user, status.ownerIds);",
        replace: "return pid < 0 ? this.#users.whyNotOf(user, status?.ownerIds) : undefined;",
      },
    ],
    test: { file: SERVICE_USER, name: "leaves alone what is not his" },
  },
  {
    promise: "A service that names its `user` has only his processes stopped",
    edits: [
      {
        file: SIGNALS,
        find: 'if (foreign !== undefined) return { outcome: "failed", reason: foreign };',
        replace: "",
      },
    ],
    test: { file: SERVICE_USER, name: "is asked whose it is once more, right before the signal" },
  },
  {
    promise: "A service that names its `user` has only his processes stopped",
    edits: [
      {
        file: "src/system/users.ts",
        find: "ownerIds?.find((ownerId) => ownerId !== userId)",
        replace: "ownerIds?.slice(0, 1).find((ownerId) => ownerId !== userId)",
      },
    ],
    test: { file: SERVICE_USER, name: "leaves alone what is not his" },
  },
  {
    promise: "Nobody is stopped unseen as a stray",
    edits: [
      { file: "jobs/stop-services.ts", find: "await stop(stray, facts);", replace: "await stop(stray);" },
    ],
    test: { file: "test/jobs/stop-services.test.ts", name: "is called one, with its command line" },
  },
  {
    promise: "Nobody is stopped unseen as a stray",
    edits: [
      {
        file: "src/report/text.ts",
        find: "items.filter(({ stray }) => stray);",
        replace: "items.filter(({ stray }) => stray && verbose);",
      },
    ],
    test: { file: "test/report/text.test.ts", name: "is shown before all others, however many these are" },
  },
  {
    promise: "Nobody is stopped unseen as a stray",
    edits: [{ file: "src/report/command.ts", find: '.replace(SECRET_ARGUMENT, "$1***")', replace: "" }],
    test: { file: "test/report/command.test.ts", name: "is shown as" },
  },
  {
    promise: "Who only mentions a service in his arguments, or works elsewhere, is no stray",
    edits: [
      {
        file: STRAYS,
        find: "return (matches.exec(commandLine)?.index ?? reach) < reach;",
        replace: "return matches.test(commandLine) && reach >= 0;",
      },
    ],
    test: { file: "test/safety/bystanders.test.ts", name: "is no stray, --force or not" },
  },
  {
    promise: "Who only mentions a service in his arguments, or works elsewhere, is no stray",
    edits: [
      {
        file: STRAYS,
        find: "path !== undefined && (path === root ||",
        replace: "path !== undefined && (path.startsWith(root) ||",
      },
    ],
    test: { file: OF_PROCESSES, name: "does not take a directory beside the root" },
  },
  {
    promise: "Who only mentions a service in his arguments, or works elsewhere, is no stray",
    edits: [{ file: STRAYS, find: "if (isSafeShutdown(commandLine)) return false;", replace: "" }],
    test: { file: "test/safety/bystanders.test.ts", name: "nor is the maintenance worker" },
  },
  {
    promise: "A directory server that does not answer holds up nothing",
    edits: [{ file: "src/system/users.ts", find: "timeout: PATIENCE_MS,", replace: "" }],
    test: { file: SERVICE_USER, name: "a directory server that does not answer is asked once for a user" },
  },
  {
    promise: "A directory server that does not answer holds up nothing",
    edits: [
      {
        file: "src/system/users.ts",
        find: "this.#userIds.get(name) ?? userIdOf(name)",
        replace: "userIdOf(name)",
      },
    ],
    test: { file: SERVICE_USER, name: "a directory server that does not answer is asked once for a user" },
  },
  {
    promise: "An expression that `init` writes takes no program for another",
    edits: [
      { file: "src/config/draft-expression.ts", find: 'const END = "( |$)";', replace: 'const END = "";' },
    ],
    test: { file: "test/config/draft-expression.test.ts", name: "a name alone" },
  },
  {
    promise: "An expression that `init` writes takes no program for another",
    edits: [
      {
        file: "src/config/draft-expression.ts",
        find: "const START = String.raw`^(\\S*/)?`;",
        replace: 'const START = "";',
      },
    ],
    test: { file: "test/config/draft-expression.test.ts", name: "an expression made from a command line" },
  },
  {
    promise: "An expression that `init` writes takes no program for another",
    edits: [
      {
        file: "src/config/bare-words.ts",
        find: "if (word === undefined) return [];",
        replace: "if (word !== '') return [];",
      },
    ],
    test: {
      file: "test/config/bare-words.test.ts",
      name: "is warned of, with what else it matches and what to write",
    },
  },
  {
    promise: "A worker's tasks are counted by its own answer",
    edits: [
      {
        file: "src/system/celery-tasks.ts",
        find: " && isNodeOf(answer.node, worker, hostname())",
        replace: "",
      },
    ],
    test: { file: "test/celery/tasks.test.ts", name: "is not taken for ours" },
  },
  {
    promise: "What is no pid file is not waited for, not followed, and means nothing",
    edits: [{ file: PID_FILE, find: "if (content.length > MAX_BYTES) return undefined;", replace: "" }],
    test: { file: "test/system/pid-file.test.ts", name: "a pid file that holds" },
  },
  {
    promise: "What is no pid file is not waited for, not followed, and means nothing",
    edits: [
      { file: "src/system/read-untouched.ts", find: "constants.O_NOFOLLOW | ", replace: "" },
      {
        file: "src/system/looks.ts",
        find: 'if (entry.kind !== "file") return undefined; // opening',
        replace: "// opening",
      },
      { file: "src/system/looks.ts", find: "(now) => isSame(entry, now)", replace: "() => true" },
    ],
    test: { file: "test/system/pid-file.test.ts", name: "is left alone, without waiting, when it is" },
  },
  {
    promise: "What is no pid file is not waited for, not followed, and means nothing",
    edits: [{ file: "src/system/looks.ts", find: "(now) => isSame(entry, now)", replace: "() => true" }],
    test: {
      file: "test/system/files.test.ts",
      name: "a file that was replaced since it was looked at gives nothing",
    },
  },
  {
    promise: "A number that a container wrote is no leftover",
    edits: [
      {
        file: PID_FILE,
        find: 'inside === undefined ? ({ file, state: "gone", reason } as const) : notHere(reason)',
        replace: '({ file, state: "gone", reason }) as const',
      },
    ],
    test: { file: FOREIGN, name: "of its own numbers, and is no leftover of ours" },
  },
  {
    promise: "Nobody who is only hidden counts as gone",
    edits: [
      { file: PID_FILE, find: "if (isUnseen(pid)) return unsure(", replace: "if (pid < 0) return unsure(" },
    ],
    test: { file: FOREIGN, name: "takes nobody for gone who is only hidden" },
  },
  {
    promise: "A service that may still run is not called stopped",
    edits: [
      { file: "jobs/stop-services.ts", find: "if (finding.mayRun)", replace: "if (finding.reason === '')" },
    ],
    test: { file: FOREIGN, name: "keeps the run from being done" },
  },
  {
    promise: "What is killed takes along all it has started",
    edits: [
      { file: TREE, find: "...this.#leaders.flatMap((leader) => this.#orphansOf(leader, kin))", replace: "" },
    ],
    test: {
      file: OF_STOPPING,
      name: "a child that loses its parent during the grace is killed with the rest",
    },
  },
  {
    promise: "What is killed takes along all it has started",
    edits: [
      { file: TREE, find: "...this.#leaders.flatMap((leader) => this.#orphansOf(leader, kin))", replace: "" },
    ],
    test: {
      file: "test/system/process-tree.test.ts",
      name: "an orphan in the session of its leader belongs to it",
    },
  },
  {
    promise: "Whoever forks faster than it can be killed is killed",
    edits: [{ file: STOPPING, find: "await freeze(tree, processes, clock);", replace: "" }],
    test: { file: OF_STOPPING, name: "children that outlive their parents, one after another" },
  },
  {
    promise: "It ends: in 2.5 s after SIGKILL there is an answer",
    edits: [{ file: STOPPING, find: "const KILL_WAIT_MS = 2_500;", replace: "const KILL_WAIT_MS = 25_000;" }],
    test: { file: OF_STOPPING, name: "one in uninterruptible sleep is waited for a while" },
  },
  {
    promise: "It ends: in 2.5 s after SIGKILL there is an answer",
    edits: [{ file: STAT, find: 'isStuck: state === "D",', replace: "isStuck: false," }],
    test: { file: OF_STOPPING, name: "one in uninterruptible sleep is waited for a while" },
  },
  {
    promise: "A zombie has ended; one whose first thread ended has not",
    edits: [{ file: STAT, find: '!["Z", "X", "x"].includes(state)', replace: 'state !== "X"' }],
    test: { file: "test/system/proc.test.ts", name: "a zombie has ended, though its pid is still taken" },
  },
  {
    promise: "A zombie has ended; one whose first thread ended has not",
    edits: [{ file: STAT, find: 'state === "Z" && Number(fields[17]) > 1', replace: "false" }],
    test: { file: "test/safety/first-thread.test.ts", name: "looks like a zombie, and counts as running" },
  },
  {
    promise: "Nobody's name or arguments say what the kernel says",
    edits: [{ file: STAT, find: 'text.lastIndexOf(")")', replace: 'text.indexOf(")")' }],
    test: { file: "test/system/proc.test.ts", name: "a process is read" },
  },
  {
    promise: "Nobody's name or arguments say what the kernel says",
    edits: [
      {
        file: STAT,
        find: 'const lines = text.split("\\n");',
        replace: "const lines = text.split(/[\\r\\n]/);",
      },
    ],
    test: {
      file: "test/safety/parsers.test.ts",
      name: "mutilated texts are read as a slow and obvious reference reads them",
    },
  },
  {
    promise: "Nobody's arguments hold up a run",
    edits: [
      {
        file: "src/system/proc.ts",
        find: "const COMMAND_LINE_BYTES = 8_192;",
        replace: "const COMMAND_LINE_BYTES = 1_000_000;",
      },
    ],
    test: {
      file: "test/system/proc.test.ts",
      name: "with no more of its command line than an expression can be asked about in no time",
    },
  },
  {
    promise: "A run that was aborted kills nobody",
    edits: [
      {
        file: STOPPING,
        find: "if (signal.aborted)\n    return failed(`was to be killed",
        replace: "if (clock === undefined)\n    return failed(`was to be killed",
      },
    ],
    test: { file: OF_STOPPING, name: "nobody is killed for a run that was aborted" },
  },
  {
    promise: "Who was asked to end is not asked again within its grace",
    edits: [
      {
        file: STOPPING,
        find: "const wasAsked = askedMs < service.graceMs;",
        replace: "const wasAsked = false;",
      },
    ],
    test: { file: OF_STOPPING, name: "within its grace is not asked again, and gets the rest of it" },
  },
  {
    promise: "Who was asked to end is not asked again within its grace",
    edits: [
      { file: STOPPING, find: "const earlierMs = wasAsked ? askedMs : 0;", replace: "const earlierMs = 0;" },
    ],
    test: { file: OF_STOPPING, name: "is killed at the end of that one grace" },
  },
  {
    promise: "Who was asked to end is not asked again within its grace",
    edits: [
      { file: "src/system/asked.ts", find: ' || obstacleIn(stats, "file") !== undefined', replace: "" },
    ],
    test: { file: OF_STOPPING, name: "is asked" },
  },
];
