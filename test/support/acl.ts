import { readFileSync } from "node:fs";
import type { Redis } from "ioredis";

/* The users that docs/redis.md gives the program. */

const DOCUMENT = new URL("../../docs/redis.md", import.meta.url);
const PASSWORD = "S3CRET";

export const WORKER = "safe-shutdown-worker";
export const SUBMITTER = "safe-shutdown-submitter";

/** The same Redis, as that user. */
export function urlAs(user: string, url: string): string {
  return url.replace("//", `//${user}:${PASSWORD}@`);
}

/**
 * The arguments of each `ACL SETUSER` of the document, by user; with what is for a Cluster only if asked for, and what is
 * for Redis 7.2 only if this is one.
 */
export async function linesFor(admin: Redis, user: string, isCluster = false): Promise<string[][]> {
  const [newer] = (await admin.call("COMMAND", "INFO", "client|setinfo")) as unknown[];
  const lines = readFileSync(DOCUMENT, "utf8").split("\n");
  return lines
    .filter((line) => line.startsWith(`ACL SETUSER ${user} `))
    .filter((line) => isCluster || !line.includes("+cluster|"))
    .filter((line) => newer !== null || !line.includes("+client|setinfo"))
    .map((line) => line.replace("PASSWORD", PASSWORD).split(" ").slice(2));
}

export async function allow(admin: Redis, lines: readonly string[][]): Promise<void> {
  for (const line of lines) await admin.call("ACL", "SETUSER", ...line);
}

/** What the server refused, as `user command-or-key`. */
export async function refusals(admin: Redis): Promise<string[]> {
  const log = (await admin.call("ACL", "LOG")) as (string | number)[][];
  return log.map((entry) => {
    const field = (name: string) => entry[entry.indexOf(name) + 1];
    return `${field("username")} ${field("object")}`;
  });
}
