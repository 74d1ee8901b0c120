import { execFile, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/*
 * While a process is being stopped, it ends, and its number is given to an innocent one: between the look and SIGTERM,
 * between SIGTERM and SIGKILL, and in the midst of a signal, for as long as asked.
 */

export interface PidRecycling {
  readonly rounds: number;
  /** Rounds in which the innocent really got the number. */
  readonly recycled: number;
  /** Signals that were asked for when the innocent had the number already. */
  readonly attemptsAfter: number;
  /** Signals during which the number changed hands: the narrowest of races. */
  readonly attemptsDuring: number;
  /** Innocents that were hit. */
  readonly harmed: number;
}

const HUNTER = fileURLToPath(new URL("pid-recycling/hunter.ts", import.meta.url));
const INSIDE = ["--pid", "--fork", "--mount-proc", "--kill-child"];
const LAST_PID = "/proc/sys/kernel/ns_last_pid";

/** Root may make a pid namespace, in which it may choose the next number. */
export function mayRun(): boolean {
  try {
    accessSync(LAST_PID, constants.W_OK);
  } catch {
    return false;
  }
  return spawnSync("unshare", [...INSIDE, "perl", "-e", "1"]).status === 0;
}

/**
 * `held` is what safe-shutdown does; `by number` what it does where neither Perl nor Python is; `naive` compares pid
 * and start time and then signals the number: it shows that the attack bites.
 */
export async function run({
  seconds,
  how = "held",
}: {
  seconds: number;
  how?: "held" | "by number" | "naive";
}): Promise<PidRecycling> {
  const hunter = `exec "$0" --import tsx "$@"`;
  const args = [...INSIDE, "sh", "-c", `(${hunter}); exit $?`, process.execPath, HUNTER, `${seconds}`, how];
  const { stdout } = await promisify(execFile)("unshare", args);
  return JSON.parse(stdout) as PidRecycling;
}
