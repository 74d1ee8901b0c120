/** Who a lock file says owns it. */
export interface LockOwner {
  readonly pid: number;
  /** `undefined` when the content names no host: then it is this one. */
  readonly host: string | undefined;
}

/** More than any lock file's text: of a longer one nothing can be told. */
export const LOCK_MAX_BYTES = 4_096;

const PLAIN = /^\s*(\d{1,7})(?:[\s@:]+([A-Za-z0-9][A-Za-z0-9._-]*))?\s*$/;
const HOST_FIRST = /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)[\s@:-]+(\d{1,7})\s*$/;

/**
 * The owner named inside a lock file: a plain pid, `pid host`, `host-pid` (as Chrome writes it) or JSON with
 * `pid` and perhaps `host` or `hostname`. `undefined` when it names none.
 */
export function parseLockOwner(content: Buffer): LockOwner | undefined {
  const text = content.toString("latin1");
  const plain = PLAIN.exec(text);
  if (plain?.[1] !== undefined) return { pid: Number(plain[1]), host: plain[2] };
  const hostFirst = HOST_FIRST.exec(text);
  if (hostFirst?.[2] !== undefined) return { pid: Number(hostFirst[2]), host: hostFirst[1] };
  return parseJsonOwner(text);
}

function parseJsonOwner(text: string): LockOwner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("pid" in value)) return undefined;
    const host = "host" in value ? value.host : "hostname" in value ? value.hostname : undefined;
    const pid = Number(value.pid);
    if (!Number.isInteger(pid) || pid <= 0) return undefined;
    return { pid, host: typeof host === "string" ? host : undefined };
  } catch {
    return undefined; // not JSON: it names nobody
  }
}
