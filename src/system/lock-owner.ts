/** Who a lock file says owns it. */
export interface LockOwner {
  readonly pid: number;
  /** `undefined` when the content names no host: then it is this one. */
  readonly host: string | undefined;
}

/** More than any lock file's text: of a longer one nothing can be told. */
export const LOCK_MAX_BYTES = 4_096;

/** A host has a letter in its name: a date is none. */
const NAME = "(?=[\\w.-]*[A-Za-z])[A-Za-z0-9][A-Za-z0-9._-]*";

/** How programs write who holds a lock, most exact first. `pid` and `host` are named groups. */
const FORMS = [
  /^\s*(?<pid>\d{1,7})\s*$/, // most programs
  new RegExp(`^\\s*(?<pid>\\d{1,7})[\\s@:]+(?<host>${NAME})\\s*$`), // `pid host`
  new RegExp(`^\\s*(?:\\S+@)?(?<host>${NAME})[.:](?<pid>\\d{1,7}):\\d+\\s*$`), // Emacs: user@host.pid:boot
  new RegExp(`^\\s*(?<host>${NAME})/\\d+:(?<pid>\\d{1,7})\\s*$`), // Mercurial: host/namespace:pid
  new RegExp(`^\\s*(?:\\S+@)?(?<host>${NAME})[\\s@:.-]+(?<pid>\\d{1,7})\\s*$`), // Chrome: host-pid
  /\bpid"?\s*[=:]?\s*"?(?<pid>\d{1,7})(?![\w.])/i, // `pid=1`, `PID: 1 started …`, JSON
  /^\s*(?<pid>\d{1,7})\s*\n/, // first line; what follows is the program's own
];
const HOST_IN_JSON = /"host(?:name)?"\s*:\s*"(?<host>[^"]{1,255})"/;

/**
 * The owner named inside a lock file, in any of the forms that programs use; `undefined` when it names none. Byte order
 * marks and NULs count for nothing.
 */
export function parseLockOwner(content: Buffer): LockOwner | undefined {
  const text = content.toString("utf8").replace(/[\ufeff\0]/g, "");
  for (const form of FORMS) {
    const { pid, host } = form.exec(text)?.groups ?? {};
    if (pid !== undefined && Number(pid) > 0) {
      return { pid: Number(pid), host: host ?? HOST_IN_JSON.exec(text)?.groups?.host };
    }
  }
  return undefined;
}
