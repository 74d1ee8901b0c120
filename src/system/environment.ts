import { platform } from "node:os";
import type { Config } from "../config/config.ts";
import { messageOf, type Problem } from "../errors.ts";
import { canSendExactly, SENDER_NAMES } from "./exact-signal.ts";
import { seesAllProcesses } from "./process-list.ts";
import { addressOf, connectRedis } from "./redis-connection.ts";
import { serversOf } from "./redis-server.ts";

/** What is odd about this machine and its Redis: nothing forbids to run, but an operator should know. */
export async function environmentWarnings(
  config: Pick<Config, "redis" | "queue" | "pidNamespace">,
): Promise<Problem[]> {
  const urls = [...new Set([config.redis.url, config.queue.url])];
  const ofRedis = await Promise.all(urls.map((url) => redisWarnings(url, url === config.queue.url)));
  return [...hostWarnings(), ...namespaceWarnings(config), ...ofRedis.flat()];
}

function hostWarnings(): Problem[] {
  const warnings: Problem[] = [];
  if (platform() !== "linux") {
    warnings.push({
      path: "this host",
      message: `expected Linux, found ${platform()}: without /proc no process and no lock can be looked at`,
      hint: "run it on Linux",
    });
  } else if (process.getuid?.() !== 0) {
    warnings.push({
      path: "this user",
      message:
        "not root: what other users' processes have open cannot be seen, so that locks are kept, and an old temp file goes though one of them may have it open",
      hint: "run it as root to have both judged and every service stopped",
    });
  }
  if (platform() === "linux" && !canSendExactly()) {
    warnings.push({
      path: "this host",
      message: `expected ${SENDER_NAMES.join(" or ")}, found neither: a signal goes to a number, microseconds after the last look at its process`,
      hint: "install one of them to have every signal sent to exactly the process that is meant",
    });
  }
  return warnings;
}

function namespaceWarnings({ pidNamespace }: Pick<Config, "pidNamespace">): Problem[] {
  if (pidNamespace === "trusted" || seesAllProcesses()) return [];
  return [
    {
      path: "this container",
      message:
        "only processes of its own pid namespace can be seen: no lock counts as free, no process as gone",
      hint: "share the host's pid namespace (docker: pid: host), or set pidNamespace: trusted",
    },
  ];
}

async function redisWarnings(url: string, isQueue: boolean): Promise<Problem[]> {
  const path = `Redis at ${addressOf(url)}`;
  try {
    const redis = await connectRedis(url);
    try {
      const answers = await Promise.all(serversOf(redis).map((server) => server.info("memory")));
      const policies = answers.map((info) => /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? "unknown");
      return [...new Set(policies)].flatMap((policy) => policyWarnings(path, policy, isQueue));
    } finally {
      redis.disconnect();
    }
  } catch (error) {
    return [
      {
        path,
        message: messageOf(error),
        hint: "without it services are stopped and files cleaned, keys are not",
      },
    ];
  }
}

function policyWarnings(path: string, policy: string, isQueue: boolean): Problem[] {
  const warnings: Problem[] = [];
  if (isQueue && policy !== "noeviction") {
    warnings.push({
      path,
      message: `expected the policy noeviction, found ${policy}: Redis may evict runs from the queue`,
      hint: "CONFIG SET maxmemory-policy noeviction",
    });
  }
  if (policy.includes("lfu")) {
    warnings.push({
      path,
      message: `under ${policy} no idle time can be told: \`age: idle\` proves nothing`,
    });
  }
  return warnings;
}
