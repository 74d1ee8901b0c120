import { readSync, writeSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import { type RemoveOrder, Sweep, type SweepOrder, type WalkOrder } from "./sweep.ts";

/*
 * A process that sweeps: orders come in on stdin, answers go out on stdout, one for each, in turn. It knows no policy and
 * no manifest; it ends when whoever gives the orders does. A message is its length (32 bits), then a value of v8's.
 */

const first = receive();
if (first !== undefined) {
  const sweep = new Sweep(first as SweepOrder);
  for (let order = receive(); order !== undefined; order = receive()) {
    const one = order as WalkOrder | RemoveOrder;
    send("walk" in one ? sweep.walk(one) : sweep.remove(one));
  }
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
  const bytes = Buffer.allocUnsafe(4 + message.length);
  bytes.writeUInt32LE(message.length);
  bytes.set(message, 4);
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}
