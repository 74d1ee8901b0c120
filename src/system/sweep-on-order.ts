import { readSync, writeSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import type { Judge } from "./judge.ts";
import { Sweep } from "./sweep.ts";
import type { Order, SweepOrder } from "./sweep-orders.ts";

/*
 * A process that sweeps: orders come in on stdin, answers go out on stdout, one for each, in turn. A message is its length
 * (32 bits), then a value of v8's.
 */

/** Sweeps until whoever gives the orders ends. `judgeOf` makes a judge of the facts of a policy. */
export function sweepOnOrder(judgeOf?: (facts: unknown) => Judge): void {
  const first = receive() as SweepOrder | undefined;
  if (first === undefined) return;
  const judge = first.policy && judgeOf?.(first.policy.facts);
  const sweep = new Sweep(first, judge);
  for (let order = receive(); order !== undefined; order = receive()) send(answerTo(order as Order, sweep));
}

function answerTo(order: Order, sweep: Sweep): unknown {
  if ("walk" in order) return sweep.walk(order);
  return "lot" in order ? sweep.removeLot(order) : sweep.remove(order);
}

function receive(): unknown {
  const length = read(4)?.readUInt32LE();
  const message = length === undefined ? undefined : read(length);
  return message && deserialize(message);
}

/** `undefined`: there will be no more. */
function read(length: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; ) {
    const count = readSync(0, bytes, at, length - at, null);
    if (count === 0) return undefined;
    at += count;
  }
  return bytes;
}

function send(answer: unknown): void {
  const message = serialize(answer);
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(message.length);
  write(length);
  write(message);
}

function write(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}
