import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ended } from "./processes.ts";
import { findServer, freePort, untilReady } from "./redis-server.ts";

export interface PrivateRedisOptions {
  /** Where it keeps its files; must exist. Default: a temporary directory that `stop` removes. */
  readonly directory?: string;
  /** Anything from redis.conf; wins over the defaults (no snapshots, no append-only file, `noeviction`). */
  readonly options?: Readonly<Record<string, string>>;
  /** Also listen on `redis.sock` in its directory. */
  readonly unixSocket?: boolean;
  /** Also speak TLS, on a port of its own; files in PEM form. Clients need a certificate of `ca` if `asksClients`. */
  readonly tls?: {
    readonly ca: string;
    readonly cert: string;
    readonly key: string;
    readonly asksClients?: boolean;
  };
}

export interface PrivateRedis {
  readonly url: string;
  readonly port: number;
  readonly directory: string;
  /** The path of the socket, if one was asked for. */
  readonly socket: string | undefined;
  /** Where it speaks TLS, if that was asked for; `url` and `port` are without. */
  readonly tlsPort: number | undefined;
  /** Its process; another one after `start`. `undefined` while it is down. */
  pid(): number | undefined;
  /** SIGKILL, as a crash would; files and port stay. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** Up again after `kill`, on the same port and files. Does nothing while it is up. */
  start(): Promise<void>;
  /** Ends it for good and removes the directory if it was a temporary one. May be called twice. */
  stop(): Promise<void>;
}

/** What is up: an uncaught error must not leave it running. */
const running = new Set<() => void>();
process.on("exit", () => {
  for (const killNow of running) killNow();
});

/** Starts a Redis (or Valkey) of our own on a free port of 127.0.0.1; resolves when PING answers. */
export async function startPrivateRedis(settings: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  const program = findServer();
  const directory = settings.directory ?? (await mkdtemp(join(tmpdir(), "safe-shutdown-redis-")));
  const socket = settings.unixSocket ? join(directory, "redis.sock") : undefined;
  const port = await freePort();
  const tlsPort = settings.tls ? await freePort() : undefined;
  const options = {
    save: "",
    appendonly: "no",
    "maxmemory-policy": "noeviction",
    ...(socket ? { unixsocket: socket } : {}),
    ...(settings.tls ? tlsOptions(settings.tls, tlsPort) : {}),
    ...settings.options,
    bind: "127.0.0.1",
    port: String(port),
    dir: directory,
    daemonize: "no",
    logfile: "",
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);

  let server: ChildProcess | undefined;
  const killNow = () => server?.kill("SIGKILL");
  const kill = async () => {
    if (!server) return;
    killNow();
    await ended(server);
    server = undefined;
  };
  const start = async () => {
    if (server) return;
    // Detached: a Ctrl-C at the terminal is for the demo, which then stops it in its own time.
    server = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
    await untilReady(server, port);
  };
  const stop = async () => {
    await kill();
    running.delete(killNow);
    if (settings.directory === undefined) await rm(directory, { recursive: true, force: true });
  };

  running.add(killNow);
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    directory,
    socket,
    tlsPort,
    pid: () => server?.pid,
    kill,
    start,
    stop,
  };
}

function tlsOptions(tls: NonNullable<PrivateRedisOptions["tls"]>, port = 0): Record<string, string> {
  return {
    "tls-port": String(port),
    "tls-ca-cert-file": tls.ca,
    "tls-cert-file": tls.cert,
    "tls-key-file": tls.key,
    "tls-auth-clients": tls.asksClients ? "yes" : "no",
  };
}
