/** Who a lock says owns it. */
export interface LockOwner {
  readonly pid: number;
  /** `undefined` when nothing names a host: then it is this one. */
  readonly host: string | undefined;
}

/** More than any lock file's text: of a longer one nothing can be told. */
export const LOCK_MAX_BYTES = 4_096;

/** A host has a letter in its name: a date is none. Or it is an address. */
const HOST = String.raw`(?<host>(?:\d{1,3}\.){3}\d{1,3}|\[?[\da-fA-F]*:[\da-fA-F:]+\]?|(?=[\w.-]*[A-Za-z])[A-Za-z0-9][\w.-]*)`;
const PID = String.raw`(?<pid>\d{1,7})`;

/** How programs write who holds a lock, most exact first. */
const FORMS = [
  `^${PID}$`, // most programs
  String.raw`^${PID}[\s@:]+${HOST}$`, // `pid host`
  String.raw`^(?:\S+@)?${HOST}[.:]${PID}:\d+$`, // Emacs: user@host.pid:boot
  String.raw`^${HOST}/\d+:${PID}$`, // Mercurial: host/namespace:pid
  String.raw`^${HOST}:\+${PID}$`, // Firefox: address:+pid
  String.raw`^(?:\S+@)?${HOST}[\s@:.-]+${PID}$`, // Chrome: host-pid
  String.raw`^${PID}\s*\n[^\n]*\n\s*${HOST}\s*(?:\n|$)`, // Qt: pid, program and host on lines
].map((form) => new RegExp(form));

/** `pid=1`, `PID: 1 started …`, JSON; there may be several. */
const NAMED_PID = /\bpid"?\s*[=:]?\s*"?(?<pid>\d{1,7})(?!\w|\.\d)/gi;
/** Besides it: `"hostname": "db-1"`, `host=db-1`. */
const NAMED_HOST =
  /\b(?:host(?:_?name)?|node(?:_?name)?|machine|server|fqdn)"?\s*[=:]\s*"?(?<host>[^\s",;}]{1,255})/i;
/** What follows in further lines is the program's own. */
const FIRST_LINE = /^(?<pid>\d{1,7})\s*\n/;

/**
 * The owners named in the text of a lock, in any of the forms that programs use; none when it names none. Byte order
 * marks and NULs count for nothing.
 */
export function parseLockOwners(content: Buffer | string): LockOwner[] {
  const text = content
    .toString("utf8")
    .replace(/[\ufeff\0]/g, "")
    .trim();
  for (const form of FORMS) {
    const { pid, host } = form.exec(text)?.groups ?? {};
    if (Number(pid) > 0) return [{ pid: Number(pid), host }];
  }
  const host = NAMED_HOST.exec(text)?.groups?.host;
  const named = [...text.matchAll(NAMED_PID)].map(({ groups }) => Number(groups?.pid));
  const pids = named.length > 0 ? named : [Number(FIRST_LINE.exec(text)?.groups?.pid)];
  return [...new Set(pids)].filter((pid) => pid > 0).map((pid) => ({ pid, host }));
}

/** Numbers that stand alone in a text, part of no date, time or fraction: any may be meant for an owner. */
export function numbersIn(content: Buffer): number[] {
  const text = content.toString("latin1");
  const numbers = [...text.matchAll(/(?<!\w)(?<!\d[.:/+-])\d{2,7}(?!\w|[.:/+-]\d)/g)].map(([digits]) =>
    Number(digits),
  );
  return [...new Set(numbers)].filter((number) => number > 1 && number <= 4_194_304);
}

/** How the files of SQLite begin: a database, its rollback journal, its write-ahead log (sqlite.org/fileformat2.html). */
const SQLITE = ["53514c69746520666f726d6174203300", "d9d505f920a163d7", "377f0682", "377f0683"];

/** Whether this is a database or a journal, which is needed after a crash though nobody has it open. */
export function isSqlite(content: Buffer): boolean {
  return SQLITE.some((magic) => content.toString("hex", 0, magic.length / 2) === magic);
}
