import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { LittleApp } from "../support/little-app.ts";
import { sharedRedis } from "../support/redis.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { Transcript } from "../support/transcript.ts";

const { server } = sharedRedis();

/** What systemd is for a service: a datagram socket; Node has none, so Python listens. */
const LISTENER = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("listening", flush=True)
while True: print(s.recv(4096).decode().replace("\\n", "; "), flush=True)`;

async function listen(): Promise<{ socket: string; heard: Transcript }> {
  const socket = join(temporaryDirectory(), "notify");
  const child = spawn("/usr/bin/python3", ["-c", LISTENER, socket], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const heard = new Transcript("the supervisor", child.stdout);
  await heard.waitFor(/listening/);
  return { socket, heard };
}

function hasSystemdNotify(): Promise<boolean> {
  return new Promise((resolve) => {
    execFile("systemd-notify", ["--version"], (error) => resolve(error === null));
  });
}

test("systemd hears when the worker is up, that it lives, and that it stops", async ({ skip }) => {
  if (!(await hasSystemdNotify())) skip("there is no systemd-notify here");
  const { socket, heard } = await listen();
  const app = new LittleApp({ redisUrl: server().url });
  const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "400000" };
  const worker = app.startCli(["worker", "--host", "here"], env);
  await heard.waitFor(/READY=1; STATUS=looks after \S+ in /);
  await heard.waitFor(/(WATCHDOG=1\nBARRIER=1\n){2}/); // it waits until it was heard
  worker.signal("SIGTERM");
  await heard.waitFor(/STOPPING=1/);
  expect(await worker.result).toMatchObject({ code: 0 });
});

test("where nobody listens, nobody is told", async () => {
  const app = new LittleApp({ redisUrl: server().url });
  const worker = await app.startWorker();
  worker.signal("SIGHUP");
  const { code, stderr } = await worker.result;
  expect([code, stderr]).toEqual([0, expect.not.stringContaining("supervisor")]);
});
