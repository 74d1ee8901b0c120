import type { Process } from "./proc.ts";

/**
 * Whether a Celery node that says it has this process's pid is this process. A pid proves nothing by itself: every
 * worker of the broker answers, those of other hosts and containers too, and there the same number is another process.
 * So the node's name must be the one in the command line, or name this host, as it does unless told otherwise.
 */
export function isNodeOf(node: string, { commandLine }: Pick<Process, "commandLine">, host: string): boolean {
  const name = /(?:^|\s)(?:-n|--hostname)(?:\s+|=)?(\S+)/.exec(commandLine)?.[1];
  if (name !== undefined && expand(name, host) === node) return true;
  return node.slice(node.indexOf("@") + 1).toLowerCase() === host.toLowerCase();
}

/** What Celery makes of a name: `%h` the host, `%n` and `%d` its parts (celery/utils/nodenames.py). */
function expand(name: string, host: string): string {
  const [short = "", ...domain] = host.split(".");
  const parts: Readonly<Record<string, string>> = { h: host, n: short, d: domain.join("."), "%": "%" };
  const given = name.includes("@") ? name : `celery@${name}`;
  return given.replace(/%([hnd%])/g, (_, key: string) => parts[key] ?? "");
}
