import { type ChildProcess, spawn } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { deserialize, serialize } from "node:v8";
import { REMEMBERED } from "./sweep.ts";
import type {
  LotAnswer,
  LotOrder,
  Order,
  RemoveAnswer,
  RemoveOrder,
  SweepOrder,
  WalkAnswer,
  WalkOrder,
} from "./sweep-orders.ts";

/** A sweeper is no more: what it was asked last may be done, or not. */
export class SweeperLost extends Error {}

const IS_BUILT = import.meta.url.endsWith(".js");
/** One that knows no policy. */
const PLAIN_PROGRAM = new URL("./sweeper-program", import.meta.url);

/**
 * What is looked at is soon forgotten: with little room for it, memory does not grow with the tree. There is a sweeper for
 * each processor: threads that collect garbage beside it would only take one away.
 */
const FLAGS = [
  ...["--max-semi-space-size=2", "--heap-growing-percent=30", "--optimize-for-size", "--single-threaded-gc"],
  ...(IS_BUILT ? [] : ["--import", "tsx"]),
];
/** One place for memory will do, not one for each thread (mallopt(3)): that saves some 3 MB. */
const ENVIRONMENT = { MALLOC_ARENA_MAX: "1" };

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A process of ours that walks and removes on order (`sweeper-program.ts`), seen from here. */
export class Sweeper {
  readonly #child: ChildProcess;
  /** Those who wait for an answer, in the order in which they will get it. */
  readonly #waiting: Waiting[] = [];
  #chunks: Buffer[] = [];
  #received = 0;
  /** How many bytes must be there before there is something to do. */
  #awaited = 4;
  #isClosed = false;
  #lost: SweeperLost | undefined;
  #walks = 0;

  /** `program`: one that calls `sweepOnOrder`, without the ending of its name. */
  constructor(order: SweepOrder, onLost: (why: string) => void, program = PLAIN_PROGRAM) {
    const file = fileURLToPath(`${program.href}.${IS_BUILT ? "js" : "ts"}`);
    // called like the program itself, so that no safe-shutdown takes it for somebody's stray
    this.#child = spawn(process.execPath, [...FLAGS, file], {
      argv0: "safe-shutdown",
      cwd: dirname(file),
      env: ENVIRONMENT,
      stdio: ["pipe", "pipe", "ignore"],
    });
    const lose = (why: string) => {
      if (this.#lost === undefined && !this.#isClosed) onLost(why);
      this.#lose(new SweeperLost(why));
    };
    this.#child.on("error", (error) => lose(error.message));
    this.#child.on("exit", (code, signal) => lose(`it ended with ${signal ?? `code ${code}`}`));
    this.#child.stdin?.on("error", () => {}); // it has ended: "exit" says how
    this.#child.stdout?.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#send(order);
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** How many orders it has not answered yet. */
  get load(): number {
    return this.#waiting.length;
  }

  /** Rejects with `SweeperLost`; `number` is what this walk is known by. */
  async walk(order: WalkOrder): Promise<{ readonly answer: WalkAnswer; readonly number: number }> {
    const number = this.#walks;
    this.#walks += 1;
    return { answer: (await this.#ask(order)) as WalkAnswer, number };
  }

  /** Whether it will know, when it comes to what it is asked now, what it found in a walk: it does one thing after another. */
  remembers(number: number): boolean {
    return !this.isLost && this.#walks - number <= REMEMBERED;
  }

  remove(order: RemoveOrder): Promise<RemoveAnswer> {
    return this.#ask(order) as Promise<RemoveAnswer>;
  }

  removeLot(order: LotOrder): Promise<LotAnswer> {
    return this.#ask(order) as Promise<LotAnswer>;
  }

  /** Ends it at once. */
  close(): void {
    this.#isClosed = true;
    this.#child.kill("SIGKILL");
  }

  #ask(order: Order): Promise<unknown> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const answer = new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#send(order);
    return answer;
  }

  #send(order: SweepOrder | Order): void {
    const message = serialize(order);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(message.length);
    this.#child.stdin?.write(length);
    this.#child.stdin?.write(message);
  }

  /** Chunks are put together once a message is complete, not as each comes. */
  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#received += chunk.length;
    while (this.#received >= this.#awaited) {
      const all =
        this.#chunks.length === 1 && this.#chunks[0] ? this.#chunks[0] : Buffer.concat(this.#chunks);
      this.#chunks = [all];
      const end = 4 + all.readUInt32LE();
      this.#awaited = end;
      if (all.length < end) return;
      this.#waiting.shift()?.resolve(deserialize(all.subarray(4, end)));
      this.#chunks = [all.subarray(end)];
      this.#received -= end;
      this.#awaited = 4;
    }
  }

  #lose(error: SweeperLost): void {
    this.#lost ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#lost);
  }
}
