import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Process, readProcess } from "../../../src/system/proc.ts";
import { ProcessTree } from "../../../src/system/process-tree.ts";
import { Signals } from "../../../src/system/signals.ts";

/*
 * The inside of the attack: signals what the attacker shows it, while the attacker gives the number to somebody else.
 * Arguments: seconds, how. Prints what came of it as JSON.
 */

const ATTACKER = fileURLToPath(new URL("attacker.pl", import.meta.url));
/** How long one process is hunted, longer than the attacker takes to swap it. */
const HUNT_MS = 12;

const [seconds = "1", how = "held"] = process.argv.slice(2);
const attacker = spawn("perl", [ATTACKER], { stdio: ["pipe", "pipe", "inherit"] });
const signals = new Signals({
  mode: "apply",
  own: new Set([1, process.pid]),
  ...(how === "by number" && { senders: [] }),
});
const result = { rounds: 0, recycled: 0, attemptsAfter: 0, attemptsDuring: 0, harmed: 0 };
let attempts: { startedAtNs: bigint; endedAtNs: bigint }[] = [];
const endsAtMs = performance.now() + Number(seconds) * 1_000;

for await (const line of createInterface({ input: attacker.stdout })) {
  const [word, ...facts] = line.split(" ");
  if (word === "look") {
    await hunt(Number(facts[0]));
    say("end");
  } else {
    count(facts);
    if (performance.now() > endsAtMs) break;
  }
}
attacker.kill("SIGKILL");
attacker.stdout.destroy(); // its children hold the other end
console.log(JSON.stringify(result));

async function hunt(pid: number): Promise<void> {
  const process = readProcess(pid);
  if (process === undefined) throw new Error(`expected pid ${pid} to run`);
  const tree = new ProcessTree([process]);
  attempts = [];
  say("seen");
  await new Promise(setImmediate);
  const untilMs = performance.now() + HUNT_MS;
  for (let n = 0; performance.now() < untilMs; n += 1) {
    const startedAtNs = globalThis.process.hrtime.bigint();
    signal(process, tree, n);
    attempts.push({ startedAtNs, endedAtNs: globalThis.process.hrtime.bigint() });
  }
  tree.release();
}

/** As a shutdown does it: SIGTERM to who bears the command line, then SIGKILL to what is held of its tree. */
function signal(process: Process, tree: ProcessTree, n: number): void {
  if (how === "naive") signalNaively(process, n);
  else if (n === 0) signals.sendAll([process], "SIGTERM", () => ({ matches: /celery worker/ }));
  else {
    if (n % 5 === 4) tree.grow();
    signals.sendAll(
      [tree.rootOf(process), ...tree.running()],
      n % 2 ? "SIGKILL" : "SIGTERM",
      () => undefined,
    );
  }
}

/** What this is measured against: pid and start time are compared right before, and then the number is signalled. */
function signalNaively({ pid, startTicks }: Process, n: number): void {
  if (readProcess(pid)?.startTicks === startTicks) process.kill(pid, n === 0 ? "SIGTERM" : "SIGKILL");
}

function count([recycled, bornAtNs = "0", hurt]: string[]): void {
  result.rounds += 1;
  if (recycled !== "1") return;
  const bornAt = BigInt(bornAtNs);
  result.recycled += 1;
  result.attemptsAfter += attempts.filter(({ startedAtNs }) => startedAtNs > bornAt).length;
  result.attemptsDuring += attempts.filter(
    ({ startedAtNs, endedAtNs }) => startedAtNs <= bornAt && bornAt <= endedAtNs,
  ).length;
  if (hurt !== "0") result.harmed += 1;
}

function say(word: string): void {
  attacker.stdin.write(`${word}\n`);
}
