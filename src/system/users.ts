import { execFileSync } from "node:child_process";

/** POSIX; it asks wherever this system knows its users from, not only /etc/passwd (nsswitch.conf(5)). */
const ID = "/usr/bin/id";
/** A directory server that does not answer must not hold up a run. */
const PATIENCE_MS = 5_000;

/**
 * Why a process with these owners (its real and its effective user) is not of the user whom its service names, by name or
 * by uid; `undefined`: it is, or the service names none and may be anybody's.
 */
export function whyNotOf(
  user: string | number | undefined,
  ownerIds: readonly number[] | undefined,
): string | undefined {
  if (user === undefined) return undefined;
  const userId = userIdOf(user);
  if (userId === undefined) return `its service is to run as ${user}, whom this host does not know`;
  const other = ownerIds?.find((ownerId) => ownerId !== userId);
  if (ownerIds !== undefined && other === undefined) return undefined;
  return `it runs as user ${other ?? "unknown"}, its service as ${user}`;
}

/** The uid of a user; `undefined`: nobody here is called so, or it cannot be told. */
function userIdOf(user: string | number): number | undefined {
  if (typeof user === "number") return user;
  try {
    const answer = execFileSync(ID, ["-u", user], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: PATIENCE_MS,
    });
    const digits = /^(\d+)\s*$/.exec(answer.toString("latin1"))?.[1];
    return digits === undefined ? undefined : Number(digits);
  } catch {
    return undefined; // then nobody is signalled
  }
}
