import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const CELERY = fileURLToPath(new URL("../app/celery.mjs", import.meta.url));
const MAX_SECONDS = 600;

export interface StandIn {
  readonly service: "celery-beat" | "celery-workers" | "flower";
  readonly pidFile: string;
  readonly child: ChildProcess;
  readonly pid: number;
  /** The prefork children of a worker. */
  readonly pool: readonly number[];
}

/** Starts one stand-in service in the root, in a process group of its own; resolves when it is ready. */
export async function startStandIn(
  root: string,
  service: StandIn["service"],
  pidFile: string,
  args: readonly string[],
): Promise<StandIn> {
  const child = spawn(
    process.execPath,
    [CELERY, "-A", "scraper", ...args, "--pidfile", pidFile, "--max-seconds", String(MAX_SECONDS)],
    { cwd: root, detached: true, stdio: ["ignore", "ignore", "inherit", "ipc"] },
  );
  const { pids } = await firstMessage(child, service);
  child.unref();
  return { service, pidFile, child, pid: pidOf(child), pool: pids };
}

async function firstMessage(child: ChildProcess, what: string): Promise<{ pids: number[] }> {
  const message = await new Promise<unknown>((resolve, reject) => {
    child.once("message", resolve);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${what} ended while starting (exit code ${code})`)));
  });
  if (isReady(message)) return message;
  throw new Error(`expected the pids of ${what}, got ${JSON.stringify(message)}`);
}

function isReady(message: unknown): message is { pids: number[] } {
  return typeof message === "object" && message !== null && "pids" in message && Array.isArray(message.pids);
}

export interface Bystander {
  readonly child: ChildProcess;
  readonly pid: number;
}

/** A process with an exclusive flock(2) on the file, as Python's fcntl.flock takes it. Perl: on Debian and macOS. */
export function holdLock(root: string, file: string): Promise<Bystander> {
  return startPerl(
    root,
    [file],
    `use Fcntl ":flock"; open(F, ">>", $ARGV[0]) or die; flock(F, LOCK_EX) or die;`,
  );
}

/** A process that is none of the application's services, with a file open. */
export function startBystander(root: string, openFile: string): Promise<Bystander> {
  return startPerl(root, [openFile], `open(F, "<", $ARGV[0]) or die;`);
}

async function startPerl(root: string, args: readonly string[], program: string): Promise<Bystander> {
  const child = spawn("perl", ["-e", `$| = 1; ${program} print "ready\n"; sleep ${MAX_SECONDS};`, ...args], {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (!child.stdout) throw new Error("expected perl's output on a pipe");
  await Promise.race([
    once(child.stdout, "data"),
    once(child, "exit").then(() => Promise.reject(new Error(`perl ended while starting: ${program}`))),
  ]);
  child.stdout.destroy();
  child.unref();
  return { child, pid: pidOf(child) };
}

/** The number of a process that has been and gone. */
export async function pidOfTheDead(): Promise<number> {
  const child = spawn("true", { stdio: "ignore" });
  await once(child, "exit");
  return pidOf(child);
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error("expected a started process");
  return child.pid;
}
