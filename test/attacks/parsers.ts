import fc from "fast-check";
import { parseDescriptorInfo, parseLocks } from "../../src/system/kernel-locks.ts";
import { isSqlite, numbersIn, parseLockOwners } from "../../src/system/lock-owner.ts";
import { parseMounts } from "../../src/system/mounts.ts";
import { parsePidFile } from "../../src/system/pid-file.ts";
import { parseStat, parseStatus } from "../../src/system/process-stat.ts";
import { equal, mutationsOf, quickly } from "./parsers/inputs.ts";
import { cleanUp, CHECKS as OF_CONFIG } from "./parsers/of-config.ts";
import { CHECKS as OF_REDIS } from "./parsers/of-redis.ts";
import * as reference from "./parsers/references.ts";
import { SAMPLES } from "./parsers/samples.ts";

/*
 * Every parser of what others write: pid files, the texts of /proc, locks, the config, what is in Redis. Each gets true texts that were mutilated at
 * random, and random bytes; it must answer, soon, and as its slow and obvious reference does.
 */

const latin1 = (bytes: Buffer) => bytes.toString("latin1");

/** Stands for the number of a live process in a text. */
const LIVE = 4_242;

const CHECKS: Record<string, fc.IRawProperty<unknown, boolean>> = {
  "pid files": fc.property(mutationsOf(SAMPLES.pidFiles), (bytes) =>
    equal(quickly(parsePidFile, bytes), reference.pidFile(bytes)),
  ),
  "/proc/<pid>/stat": fc.property(mutationsOf(SAMPLES.stats), (bytes) => {
    const stat = quickly(parseStat, latin1(bytes));
    const { parentPid, sessionId, startTicks, isAlive } = stat ?? {};
    equal(stat && { parentPid, sessionId, startTicks, isAlive }, reference.stat(latin1(bytes)));
  }),
  "/proc/<pid>/status": fc.property(mutationsOf(SAMPLES.statuses), (bytes) =>
    equal(quickly(parseStatus, latin1(bytes)), reference.status(latin1(bytes))),
  ),
  "/proc/<pid>/mountinfo": fc.property(mutationsOf(SAMPLES.mounts), (bytes) =>
    equal([...quickly(parseMounts, latin1(bytes))], reference.mounts(latin1(bytes))),
  ),
  "/proc/locks": fc.property(mutationsOf(SAMPLES.locks), (bytes) =>
    equal(quickly(parseLocks, latin1(bytes)), reference.locks(latin1(bytes))),
  ),
  "/proc/<pid>/fdinfo": fc.property(mutationsOf(SAMPLES.descriptors), (bytes) => {
    const { mountId, inode } = quickly(parseDescriptorInfo, latin1(bytes));
    equal({ mountId, inode }, reference.descriptor(latin1(bytes)));
  }),
  "any lock": fc.property(mutationsOf(SAMPLES.owners), (bytes) => {
    for (const { pid } of quickly(parseLockOwners, bytes)) equal(pid > 0 && pid < 10_000_000, true);
    for (const number of quickly(numbersIn, bytes)) equal(number > 1 && number <= 4_194_304, true);
    isSqlite(bytes);
  }),
  /** However a program writes it: a live number that stands alone is never overlooked. */
  "a lock that names a live process": fc.property(
    mutationsOf(SAMPLES.words),
    mutationsOf(SAMPLES.words),
    fc.constantFrom(" ", "\n", "\t", "=", "#", "(", '"', ",", ";", "[", ": "),
    fc.constantFrom(" ", "\n", "\r\n", ")", '"', ",", ";", "]", "."),
    (before, after, opening, closing) => {
      const [left, right] = [before, after].map((bytes) => latin1(bytes).replace(/[\d\0]/g, ""));
      const content = Buffer.from(`${left}${opening}${LIVE}${closing}${right}`, "latin1");
      const owners = quickly(parseLockOwners, content).map(({ pid }) => pid);
      equal([...owners, ...quickly(numbersIn, content)].includes(LIVE), true);
    },
  ),
  /** A lock of another host is never taken for one of this host, whose process may have ended. */
  "a lock that names another host": fc.property(
    fc.stringMatching(/^[a-z][a-z0-9-]{0,20}[a-z](?:\.[a-z]{2,9}){0,2}$/),
    fc.constantFrom(...SAMPLES.hostForms),
    (host, form) => {
      const [owner] = quickly(parseLockOwners, Buffer.from(form(LIVE, host)));
      equal(owner, { pid: LIVE, host });
    },
  ),
  ...OF_CONFIG,
  ...OF_REDIS,
};

export const PARSERS = Object.keys(CHECKS);

/**
 * Gives one parser so many inputs. Rejects at the first wrong answer, with the input made as small as possible and the
 * seed that finds it again.
 */
export async function run(parser: string, inputs: number): Promise<void> {
  const check = CHECKS[parser];
  if (check === undefined) throw new Error(`expected one of ${PARSERS.join(", ")}, got ${parser}`);
  try {
    await fc.assert(check, { numRuns: inputs });
  } finally {
    cleanUp();
  }
}
