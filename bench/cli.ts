import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startPrivateRedis } from "../demo/redis.ts";
import { createSandbox } from "../demo/sandbox.ts";
import { compare, type Measurement, type Subject } from "./measure.ts";
import type { Suite } from "./suite.ts";

const CLI = fileURLToPath(new URL("../dist/src/cli/main.js", import.meta.url));
const ROUNDS = 15;

/** Whole commands of the built program, from start to exit, against a Node that does nothing. */
export const cli: Suite = {
  name: "cli",
  about:
    `Whole commands of the built program, from start to exit, in turn with \`node -e 0\`, ${ROUNDS} rounds. ` +
    "The dry run is one of the demo's sandbox; the empty shutdown has no services and goes through the queue.",
  async run() {
    const directory = await realpath(await mkdtemp(join(tmpdir(), "safe-shutdown-bench-")));
    const redis = await startPrivateRedis();
    try {
      const sandbox = await createSandbox({ directory: join(directory, "scraper"), redisUrl: redis.url });
      try {
        return await measure(sandbox.root, await emptyApplication(directory), redis.url);
      } finally {
        await sandbox.dispose();
      }
    } finally {
      await redis.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
};

function measure(sandbox: string, empty: string, redisUrl: string): Promise<Measurement[]> {
  const program = (what: string, bound: number, cwd: string, args: readonly string[]): Subject => ({
    what,
    bound,
    act: () => run([CLI, ...args], cwd, redisUrl),
  });
  return compare(
    { what: "`node -e 0`", act: () => run(["-e", "0"], empty, redisUrl) },
    [
      program("`safe-shutdown --help`", 3, empty, ["--help"]),
      program("`safe-shutdown --dry-run` of the sandbox", 12, sandbox, ["--dry-run"]),
      program("`safe-shutdown --yes`, an empty shutdown", 12, empty, ["--yes"]),
    ],
    ROUNDS,
  );
}

async function emptyApplication(directory: string): Promise<string> {
  const root = join(directory, "empty");
  await mkdir(root);
  await writeFile(join(root, "safe-shutdown.yaml"), "app: empty\n");
  return root;
}

async function run(words: readonly string[], cwd: string, redisUrl: string): Promise<void> {
  const child = spawn(process.execPath, words, {
    cwd,
    env: { ...process.env, SAFE_SHUTDOWN_REDIS_URL: redisUrl },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`node ${words.join(" ")} ended with ${code}:\n${said.join("")}`);
}
