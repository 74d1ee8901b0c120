import { execFile } from "node:child_process";
import { messageOf } from "../errors.ts";
import { every } from "./clock.ts";

/**
 * The supervisor of a lasting process: systemd with `Type=notify` and, if wanted, `WatchdogSec=` (sd_notify(3)). Node
 * cannot send the datagram itself, so `systemd-notify` does: the unit needs `NotifyAccess=all`. It stays until systemd has
 * read what it said, or systemd could not tell whose word it was (systemd-notify(1), --no-block). Does nothing where no
 * supervisor listens (`NOTIFY_SOCKET` is not set).
 */
export class Supervisor {
  readonly #env: NodeJS.ProcessEnv;
  readonly #onError: (message: string) => void;
  #stopWatchdog = () => {};

  constructor(env: NodeJS.ProcessEnv, onError: (message: string) => void) {
    this.#env = env;
    this.#onError = onError;
  }

  /** The process is up; from now on the watchdog, if there is one, hears of it twice in its time. */
  ready(status: string): void {
    this.#tell("READY=1", `STATUS=${status}`);
    const { WATCHDOG_USEC, WATCHDOG_PID } = this.#env;
    const periodMs = Number(WATCHDOG_USEC ?? 0) / 1_000;
    const isMeant = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid;
    if (!(periodMs > 0) || !isMeant) return;
    this.#stopWatchdog = every(periodMs / 2, () => this.#tell("WATCHDOG=1"));
  }

  /** The process ends, and may take its grace period for it. */
  stopping(): void {
    this.#stopWatchdog();
    this.#tell("STOPPING=1");
  }

  #tell(...words: string[]): void {
    if (this.#env.NOTIFY_SOCKET === undefined) return;
    execFile("systemd-notify", words, { env: this.#env }, (error) => {
      if (error !== null) this.#onError(messageOf(error));
    });
  }
}
