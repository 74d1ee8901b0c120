import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** POSIX; it asks wherever this system knows its users from, not only /etc/passwd (nsswitch.conf(5)). */
const ID = "/usr/bin/id";
/** A directory server that does not answer must not hold up a run. */
const PATIENCE_MS = 5_000;

/** A user as the config names him: by name, or by uid. */
type User = string | number;

/**
 * The users that services are to run as. Each name is asked for once, however many processes are then compared with it,
 * and whatever the answer.
 */
export class Users {
  readonly #userIds = new Map<string, Promise<number | undefined>>();
  readonly #answers = new Map<string, number | undefined>();

  /** Finds out who these are, all at once, in at most 5 s, in which other things go on. */
  async learn(users: Iterable<User | undefined>): Promise<void> {
    await Promise.all(
      Array.from(users, (user) => (typeof user === "string" ? this.#learn(user) : undefined)),
    );
  }

  /**
   * Why a process with these owners (its real and its effective user) is not of the user whom its service names;
   * `undefined`: it is, or the service names none and may be anybody's. Of a name that was not learnt nobody is.
   */
  whyNotOf(user: User | undefined, ownerIds: readonly number[] | undefined): string | undefined {
    if (user === undefined) return undefined;
    const userId = typeof user === "number" ? user : this.#answers.get(user);
    if (userId === undefined) return `its service is to run as ${user}, whom this host does not know`;
    const other = ownerIds?.find((ownerId) => ownerId !== userId);
    if (ownerIds !== undefined && other === undefined) return undefined;
    return `it runs as user ${other ?? "unknown"}, its service as ${user}`;
  }

  async #learn(name: string): Promise<void> {
    const asked = this.#userIds.get(name) ?? userIdOf(name);
    this.#userIds.set(name, asked);
    this.#answers.set(name, await asked);
  }
}

/** The uid of a user; `undefined`: nobody here is called so, or it cannot be told: then nobody is signalled. */
async function userIdOf(name: string): Promise<number | undefined> {
  try {
    const { stdout } = await promisify(execFile)(ID, ["-u", name], {
      timeout: PATIENCE_MS,
      killSignal: "SIGKILL",
    });
    const digits = /^(\d+)\s*$/.exec(stdout)?.[1];
    return digits === undefined ? undefined : Number(digits);
  } catch {
    return undefined;
  }
}
