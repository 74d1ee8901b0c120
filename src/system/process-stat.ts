/*
 * The texts of /proc/<pid>, see proc(5). Whoever runs a program chooses its name and its arguments, so nothing is
 * guessed: what has not the form that the kernel writes is `undefined`.
 */

/** What /proc/<pid>/stat says. */
export interface ProcessStat {
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** Field 22: clock ticks between boot and its start. */
  readonly startTicks: number;
  readonly isKernelThread: boolean;
  /** A zombie has ended, unless other threads than its first one go on: those are alive, and may hold locks. */
  readonly isAlive: boolean;
  readonly hasLostLeader: boolean;
  /** In uninterruptible sleep: not even SIGKILL ends it before what it waits for has come. */
  readonly isStuck: boolean;
}

/** What /proc/<pid>/status says. */
export interface ProcessStatus {
  /** The process that a number really means: /proc answers for the number of any thread, too. */
  readonly processId: number;
  /** Its real and its effective user. */
  readonly ownerIds: readonly number[];
  /** Its numbers, from our pid namespace inwards: the last is what it takes for its own pid. */
  readonly pids: readonly number[];
}

/** PF_KTHREAD of the kernel's sched.h. */
const KERNEL_THREAD = 0x0020_0000;

/** Field 2, the program's name, may hold spaces, line ends and parentheses: the other fields follow the last `)`. */
export function parseStat(text: string): ProcessStat | undefined {
  const rest = /^\d+ \(/.test(text) ? text.slice(text.lastIndexOf(")") + 1) : "";
  const fields = /^ [A-Za-z](?: -?\d+){19,}\s*$/.test(rest) ? rest.trim().split(" ") : [];
  const [state, parentPid, groupId, sessionId] = fields;
  if (state === undefined) return undefined;
  const hasLostLeader = state === "Z" && Number(fields[17]) > 1;
  return {
    parentPid: Number(parentPid),
    groupId: Number(groupId),
    sessionId: Number(sessionId),
    startTicks: Number(fields[19]),
    isKernelThread: (Number(fields[6]) & KERNEL_THREAD) !== 0,
    isAlive: hasLostLeader || !["Z", "X", "x"].includes(state),
    hasLostLeader,
    isStuck: state === "D",
  };
}

/**
 * The kernel escapes line feeds in the program's name and no other line ends, so only they end a line, and what begins
 * a line is its own.
 */
export function parseStatus(text: string): ProcessStatus | undefined {
  const lines = text.split("\n");
  const processId = numbersIn(lines, "Tgid:")[0];
  const ownerIds = numbersIn(lines, "Uid:").slice(0, 2);
  if (processId === undefined || ownerIds.length < 2) return undefined;
  return { processId, ownerIds, pids: numbersIn(lines, "NSpid:") };
}

function numbersIn(lines: readonly string[], key: string): number[] {
  const values = lines.find((line) => line.startsWith(key))?.slice(key.length) ?? "";
  return /^(?:[ \t]+\d+)+[ \t]*$/.test(values)
    ? values
        .trim()
        .split(/[ \t]+/)
        .map(Number)
    : [];
}
