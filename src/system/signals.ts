import { messageOf, systemCodeOf } from "../errors.ts";
import type { Mode } from "../report/report.ts";
import { SENDER_NAMES, type Signal, sendThrough } from "./exact-signal.ts";
import { HeldProcess, type NotHeld } from "./held-process.ts";
import { type Process, readStatIn } from "./proc.ts";
import { Users } from "./users.ts";

/** What came of a signal. */
export type SignalEffect =
  | { readonly outcome: "done" | "planned" }
  | { readonly outcome: "changed" | "failed"; readonly reason: string };

/** What a process must be still, right before a signal: see `Service`. */
export interface Identity {
  readonly matches: RegExp;
  readonly user?: string | number | undefined;
}

export interface SignalsOptions {
  readonly mode: Mode;
  /** Never signalled, whoever asks. */
  readonly own: ReadonlySet<number>;
  /** The programs that can signal exactly, best first; without any the number must do. */
  readonly senders?: readonly string[] | undefined;
  /** Those who are known by name. Default: nobody is. */
  readonly users?: Users;
}

const DONE: SignalEffect = { outcome: "done" };

/**
 * Signals processes: each is held, and through what is held it is looked at once more, right before. In plan mode
 * nothing is sent.
 */
export class Signals {
  readonly #options: SignalsOptions;
  readonly #senders: readonly string[];
  readonly #users: Users;

  constructor(options: SignalsOptions) {
    this.#options = options;
    this.#senders = options.senders ?? SENDER_NAMES;
    this.#users = options.users ?? new Users();
  }

  /**
   * Sends a signal to exactly these processes; the effects in their order. `identityOf` names what each must be still.
   * Already gone counts as done; EPERM means that it is alive.
   */
  sendAll(
    processes: readonly Process[],
    signal: Signal,
    identityOf: (process: Process) => Identity | undefined,
  ): SignalEffect[] {
    const borrowed: HeldProcess[] = [];
    try {
      const judged = processes.map((process) => {
        const held = process instanceof HeldProcess ? process : HeldProcess.of(process);
        if (held instanceof HeldProcess && held !== process) borrowed.push(held);
        return { held, effect: this.#effectWithout(process, held, identityOf(process)) };
      });
      const targets = judged.flatMap(({ held, effect }) =>
        effect === undefined && held instanceof HeldProcess ? [held] : [],
      );
      const sent = new Map(this.#send(targets, signal).map((effect, index) => [targets[index], effect]));
      return judged.map(({ held, effect }) => {
        if (effect !== undefined) return effect;
        return (held instanceof HeldProcess && sent.get(held)) || DONE;
      });
    } finally {
      for (const held of borrowed) held.release();
    }
  }

  /**
   * Stops the process groups of these session leaders at once, so that nobody in them can start anybody who is missed.
   * Whoever is in such a group was started by its leader. Our own session is left alone.
   */
  stopGroups(leaders: readonly HeldProcess[]): void {
    if (this.#options.mode === "plan") return;
    const ownSessionId = readStatIn("/proc/self")?.sessionId;
    const others = leaders.filter(({ pid }) => pid !== ownSessionId && !this.#options.own.has(pid));
    const leading = others.filter((leader) => leader.isRunning());
    if (leading.length === 0) return;
    const fds = leading.map(({ fd }) => fd);
    const sent = sendThrough(fds, "SIGSTOP", { senders: this.#senders, reach: "group" });
    for (const [index, leader] of leading.entries())
      if (sent[index] === "unable") sendByNumber(leader, "SIGSTOP", -leader.pid);
  }

  /** What there is to say without sending anything; `undefined`: it is the one that is meant. */
  #effectWithout(
    process: Process,
    held: HeldProcess | NotHeld,
    identity: Identity | undefined,
  ): SignalEffect | undefined {
    if (this.#options.own.has(process.pid))
      return { outcome: "failed", reason: "it is safe-shutdown or its parent" };
    if (held === "it has ended") return DONE;
    if (!(held instanceof HeldProcess))
      return { outcome: "changed", reason: `its pid belongs to ${ownerIn[held]} now` };
    const foreign = this.#users.whyNotOf(identity?.user, held.ownerIds());
    const now = held.look();
    if (now === undefined) return DONE;
    if (foreign !== undefined) return { outcome: "failed", reason: foreign };
    if (identity?.matches.test(now.commandLine) === false)
      return { outcome: "changed", reason: "its command line does not match any more" };
    return this.#options.mode === "plan" ? { outcome: "planned" } : undefined;
  }

  #send(targets: readonly HeldProcess[], signal: Signal): SignalEffect[] {
    if (targets.length === 0) return [];
    const fds = targets.map(({ fd }) => fd);
    const sent = sendThrough(fds, signal, { senders: this.#senders });
    return targets.map((target, index) => (sent[index] === "unable" ? sendByNumber(target, signal) : DONE));
  }
}

const ownerIn = {
  "a thread has its number": "a thread of another process",
  "another process has its number": "another process",
} as const;

/**
 * The second best: a look at what is held, and within microseconds the signal to its number. Between the two it would
 * have to end, be reaped, and have its number given away again.
 */
function sendByNumber(target: HeldProcess, signal: Signal, number = target.pid): SignalEffect {
  if (!target.isRunning()) return DONE;
  try {
    process.kill(number, signal);
    return DONE;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === "ESRCH") return DONE;
    const reason =
      code === "EPERM" ? "it is alive, and only its owner or root may signal it" : messageOf(error);
    return { outcome: "failed", reason };
  }
}
