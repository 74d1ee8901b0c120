import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, existsSync } from "node:fs";
import { connect, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

/** Where a Redis of somebody else's may be listening: never ours. */
const USUAL_PORT = 6379;

/** The path of redis-server, else of valkey-server, on PATH; SAFE_SHUTDOWN_TEST_SERVER names another. */
export function findServer(): string {
  const { SAFE_SHUTDOWN_TEST_SERVER: asked } = process.env;
  if (asked !== undefined) return asked;
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of ["redis-server", "valkey-server"]) {
      if (directory && isExecutable(join(directory, name))) return join(directory, name);
    }
  }
  throw new Error("neither redis-server nor valkey-server is on PATH: run `npm run set-up`");
}

function isExecutable(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A port of 127.0.0.1 that nobody listens on just now; never the usual one. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  const port = address !== null && typeof address === "object" ? address.port : USUAL_PORT;
  return port === USUAL_PORT ? freePort() : port;
}

/** Redis says on its output when it has loaded its files and listens; then one PING must be answered. */
export async function untilReady(server: ChildProcess, port: number): Promise<void> {
  if (!server.stdout || !server.stderr) throw new Error("expected redis-server's output on a pipe");
  const said: string[] = [];
  server.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const lines = createInterface({ input: server.stdout });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("close", () => reject(new Error(`redis-server ended while starting:\n${said.join("\n")}`)));
    lines.on("line", (line) => {
      said.push(line);
      if (/ready to accept connections/i.test(line)) resolve();
    });
  });
  lines.removeAllListeners("line").on("line", () => {}); // keeps the pipe empty
  await ping(port);
}

async function ping(port: number): Promise<void> {
  const connection = connect(port, "127.0.0.1");
  try {
    connection.write("PING\r\n");
    const [answer] = await once(connection, "data");
    // With `requirepass` the answer is an error; it is an answer.
    if (!/^(\+PONG|-NOAUTH)/.test(String(answer))) throw new Error(`expected PONG, got ${String(answer)}`);
  } finally {
    connection.destroy();
  }
}
