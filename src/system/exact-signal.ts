import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";

/*
 * Node knows kill(2) only, which takes a number: between a look at the process and the signal the number can get
 * another owner. pidfd_send_signal(2) takes an open /proc/<pid> instead (Linux 5.1), and so cannot miss. What can make
 * that call is on nearly every system: Perl, else Python.
 */

export type Signal = "SIGTERM" | "SIGKILL" | "SIGSTOP";

/** What came of a signal: `unable` when this way is closed, and nothing was sent. */
export type Sent = "sent" | "gone" | "unable";

/** Whom a signal reaches: the process, or all of the group that it leads (PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9). */
export type Reach = "process" | "group";
const FLAGS: Record<Reach, number> = { process: 0, group: 4 };

/** A program that signals the descriptors 3, 4, …; says for each 0 or the error, in a line of its own. */
interface Sender {
  readonly command: string;
  readonly args: readonly string[];
}

/** 424 is pidfd_send_signal on every architecture that Node runs on. The arguments: a signal, how many, flags. */
const SENDERS: readonly Sender[] = [
  {
    command: "/usr/bin/perl",
    args: [
      "-e",
      '$| = 1; ($s, $n, $f) = @ARGV; for (3 .. $n + 2) { print syscall(424, $_, $s + 0, 0, $f + 0) == 0 ? 0 : $! + 0, "\\n" }',
    ],
  },
  {
    command: "/usr/bin/python3",
    args: [
      "-Ic",
      `import signal, sys
s, n, f = map(int, sys.argv[1:])
for fd in range(3, n + 3):
    try: signal.pidfd_send_signal(fd, s, None, f); print(0, flush=True)
    except OSError as e: print(e.errno, flush=True)`,
    ],
  },
];

/** Every descriptor is inherited by the sender. */
const AT_ONCE = 200;
/** Starting it takes some 5 ms; a machine that takes longer than this is in trouble. */
const PATIENCE_MS = 5_000;

/** What a machine needs to signal exactly. */
export const SENDER_NAMES = SENDERS.map(({ command }) => command);

export function canSendExactly(senders: readonly string[] = SENDER_NAMES): boolean {
  return senders.some((command) => existsSync(command));
}

/**
 * Sends a signal to exactly the processes whose directories in /proc are open as `fds`, in this order. Where that is
 * not possible it is `unable`: no such program, an older kernel, not permitted.
 */
export function sendThrough(
  fds: readonly number[],
  signal: Signal,
  { senders = SENDER_NAMES, reach = "process" }: { senders?: readonly string[]; reach?: Reach } = {},
): Sent[] {
  const results: Sent[] = [];
  for (let done = 0; done < fds.length; done += AT_ONCE)
    results.push(...sendSome(fds.slice(done, done + AT_ONCE), signal, reach, senders));
  return results;
}

/** Nothing of our environment reaches the sender: it could change what Perl or Python do. */
function sendSome(fds: readonly number[], signal: Signal, reach: Reach, senders: readonly string[]): Sent[] {
  const numbers = [constants.signals[signal], fds.length, FLAGS[reach]].map(String);
  for (const { command, args } of SENDERS) {
    if (!senders.includes(command)) continue;
    const { stdout } = spawnSync(command, [...args, ...numbers], {
      env: {},
      cwd: "/",
      stdio: ["ignore", "pipe", "ignore", ...fds],
      encoding: "utf8",
      timeout: PATIENCE_MS,
    });
    const said = (stdout ?? "").split("\n").slice(0, -1);
    if (said.length > 0) return fds.map((_, index) => meaningOf(said[index]));
  }
  return fds.map(() => "unable");
}

function meaningOf(said: string | undefined): Sent {
  if (said === "0") return "sent";
  return said === `${constants.errno.ESRCH}` ? "gone" : "unable";
}
