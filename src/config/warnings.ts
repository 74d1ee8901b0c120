import type { Problem } from "../errors.ts";
import { bareWords } from "./bare-words.ts";
import { type ConfigPath, toProblem } from "./config-path.ts";
import { redactText } from "./redact.ts";
import type { ConfigFile } from "./schema.ts";
import type { Source } from "./source.ts";

/** What is valid in a config file but probably not wanted. */
export function configWarnings(written: ConfigFile, source: Source): Problem[] {
  const { services, locks, redis, temp } = written;
  const warnings: Problem[] = [];
  if (services.length + locks.length + redis.prune.length + temp.length === 0) {
    const hint = 'add services, locks, temp or redis.prune; "safe-shutdown init" shows how';
    warnings.push({ path: "(top)", message: "there is nothing to stop and nothing to clean", hint });
  }
  for (const finding of bareWords(written)) warnings.push(toProblem(finding, source.placeOf(finding.path)));
  const urls: { path: ConfigPath; url: string | undefined }[] = [
    { path: ["redis", "url"], url: redis.url },
    { path: ["queue", "url"], url: written.queue.url },
    ...redis.prune.map(({ url }, index) => ({ path: ["redis", "prune", index, "url"], url })),
  ];
  for (const { path, url } of urls) {
    if (url === undefined || redactText(url) === url) continue;
    const hint = "give the one of redis.url in SAFE_SHUTDOWN_REDIS_URL, and let only its owner read the file";
    warnings.push(
      toProblem({ path, message: "a password is written in the file", hint }, source.placeOf(path)),
    );
  }
  return warnings;
}
