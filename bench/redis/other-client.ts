import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** Asks one thing after another over a raw socket, and says the times in milliseconds when its input ends. */
const PROGRAM = `
const socket = require("node:net").connect(Number(process.argv[1]), "127.0.0.1");
const times = [];
let askedAt = 0, isOver = false;
const ask = () => { askedAt = performance.now(); socket.write("GET other:1\\r\\n"); };
socket.on("connect", () => { console.log("ready"); ask(); });
socket.on("data", () => { times.push(performance.now() - askedAt); if (isOver) socket.end(); else setImmediate(ask); });
process.stdin.on("end", () => {
  isOver = true;
  times.sort((a, b) => a - b);
  const at = (part) => times[Math.floor((times.length - 1) * part)];
  console.log(JSON.stringify({ count: times.length, p50: at(0.5), p99: at(0.99), worst: at(1) }));
}).resume();`;

export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

/** How long another client, in a process of its own, waits for its answers while `act` goes on. */
export async function latencyDuring(port: number, act: () => Promise<void>): Promise<Latency> {
  const client = spawn(process.execPath, ["-e", PROGRAM, String(port)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(client.stdout, "data");
  await act();
  client.stdin.end();
  return JSON.parse(await lastWords(client)) as Latency;
}

async function lastWords({ stdout }: ChildProcess): Promise<string> {
  let text = "";
  for await (const chunk of stdout ?? []) text += String(chunk);
  return text;
}
