import { readFileSync } from "node:fs";

/** Who has an account here, as passwd(5) knows him. */
export interface Person {
  readonly name: string;
  readonly home: string;
}

const ACCOUNTS = "/etc/passwd";
/** UID_MIN of login.defs(5): below it are the accounts of the system and of services. */
const FIRST_PERSON = 1_000;
const NOBODY = 65_534;

/**
 * The people whom this host knows itself: who may log in, and is no account of the system. Not those of a directory
 * server, of whom there may be more than it would list.
 */
export function people(): Person[] {
  try {
    return peopleIn(readFileSync(ACCOUNTS, "latin1"));
  } catch {
    return []; // a container may have no accounts at all
  }
}

/** The people in the text of a passwd(5). */
export function peopleIn(accounts: string): Person[] {
  return accounts.split("\n").flatMap((line) => {
    const [name, , uid, , , home, shell] = line.split(":");
    if (name === undefined || home?.startsWith("/") !== true || !/^\d+$/.test(uid ?? "")) return [];
    const isPerson = Number(uid) >= FIRST_PERSON && Number(uid) !== NOBODY && mayLogIn(shell);
    return isPerson ? [{ name, home }] : [];
  });
}

/** Whether an account with this shell is somebody's, and not a service's; an empty one means /bin/sh (passwd(5)). */
export function mayLogIn(shell: string | null | undefined): boolean {
  return !/(?:^|\/)(?:nologin|false)\s*$/.test(shell ?? "");
}
