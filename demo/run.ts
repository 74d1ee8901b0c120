import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { ended } from "./processes.ts";
import { type Claim, look, proveShutdown, proveUntouched } from "./proof.ts";
import { startPrivateRedis } from "./redis.ts";
import { createSandbox, type Sandbox } from "./sandbox.ts";
import { screen } from "./screen.ts";

/*
 * `npm run demo`: the program at work on a copy of the scraper, and a comparison of what it did with what it
 * should have done. Everything happens in a temporary directory and a private Redis, and is gone at the end.
 */

const CLI = fileURLToPath(new URL("../dist/src/cli/main.js", import.meta.url));
/** How long a command may take to end after Ctrl-C. */
const PATIENCE_MS = 5_000;

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interruption.abort());

process.exitCode = await main();

async function main(): Promise<number> {
  if (!existsSync(CLI)) {
    screen.failure("The program is not built yet: run `npm run build` first.");
    return 1;
  }
  const startedAt = performance.now();
  const cleanUps: (() => Promise<unknown>)[] = [];
  try {
    const claims = await demonstrate((cleanUp) => cleanUps.unshift(cleanUp));
    const failed = claims.filter(({ against }) => against.length > 0);
    if (failed.length > 0) screen.failure(`${failed.length} of ${claims.length} claims do not hold.`);
    return failed.length > 0 ? 1 : 0;
  } catch (error) {
    if (interruption.signal.aborted) return 130;
    screen.failure(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return 1;
  } finally {
    for (const cleanUp of cleanUps) await cleanUp();
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    screen.note(`Cleaned up: the sandbox, its processes and its Redis are gone. ${seconds} s in all.`);
  }
}

async function demonstrate(atEnd: (cleanUp: () => Promise<unknown>) => void): Promise<Claim[]> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), "safe-shutdown-demo-")));
  atEnd(() => rm(directory, { recursive: true, force: true }));
  const server = await startPrivateRedis();
  atEnd(() => server.stop());
  const sandbox = await createSandbox({ directory: join(directory, "scraper"), redisUrl: server.url });
  atEnd(() => sandbox.dispose());
  const redis = new Redis(server.url);
  atEnd(async () => redis.disconnect());
  introduce(sandbox, server.port);

  const run = (watch: string, ...args: string[]) => runCommand(watch, args, directory, server.url);
  const before = await look(sandbox, redis);
  const failures = [
    ...(await run("What is running, what lies about. It only looks.", "status")),
    ...(await run("What a shutdown would do. Watch the reasons why things are kept.", "--dry-run")),
  ];
  const untouched = proveUntouched(before, await look(sandbox, redis));
  failures.push(
    ...(await run("Now for real. Watch it wait for the tasks at hand: nothing is cut off.", "--yes")),
  );
  const after = await look(sandbox, redis);
  failures.push(
    ...(await run("Stopped and clean. Session, Redis and a lock in use are as they were.", "status")),
  );
  const claims = [
    { text: "every command succeeded", against: failures },
    ...untouched,
    ...proveShutdown(sandbox, before, after),
  ];
  screen.claims("What was proved, by comparing before and after", claims);
  return claims;
}

function introduce({ root, services, files, keys }: Sandbox, port: number): void {
  const fileCount = files.removed.length + files.kept.length;
  const keyCount = keys.removed.length + keys.kept.length;
  screen.title("safe-shutdown, on a copy of the scraper", [
    `In ${root}: ${services.length} services with real processes, a lock that is really held,`,
    `${fileCount} files stale and fresh; in a Redis of its own on port ${port}: ${keyCount} keys.`,
    "Nothing else on this machine is touched. Ctrl-C ends it and cleans up.",
  ]);
}

/** Runs the built program as an operator would, on this terminal; returns what went wrong, if anything did. */
async function runCommand(watch: string, args: string[], cwd: string, redisUrl: string): Promise<string[]> {
  interruption.signal.throwIfAborted();
  const words = [...args, "--root", "scraper"];
  const command = `safe-shutdown ${words.join(" ")}`;
  screen.prompt(watch, command);
  const child = spawn(process.execPath, [CLI, ...words], {
    cwd,
    env: { ...process.env, SAFE_SHUTDOWN_REDIS_URL: redisUrl },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const stop = () => endSoon(child);
  interruption.signal.addEventListener("abort", stop);
  await ended(child);
  interruption.signal.removeEventListener("abort", stop);
  interruption.signal.throwIfAborted();
  return child.exitCode === 0 ? [] : [`\`${command}\` ended with ${child.exitCode ?? child.signalCode}`];
}

/** At a terminal the command has had its Ctrl-C already; elsewhere it gets it from here. */
function endSoon(child: ChildProcess): void {
  if (!process.stdin.isTTY) child.kill("SIGINT");
  setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS).unref();
}
