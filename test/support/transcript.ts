import { EventEmitter, once } from "node:events";
import type { Readable } from "node:stream";

/** What a process has said on one stream so far, and a way to wait for more. */
export class Transcript {
  readonly #name: string;
  readonly #changes = new EventEmitter().setMaxListeners(100);
  #text = "";
  #ended = false;

  constructor(name: string, stream: Readable) {
    this.#name = name;
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      this.#text += chunk;
      this.#changes.emit("change");
    });
    stream.once("close", () => {
      this.#ended = true;
      this.#changes.emit("change");
    });
  }

  get text(): string {
    return this.#text;
  }

  /** Resolves with the match as soon as the text has one; rejects when the stream ends or the time is up. */
  async waitFor(expected: RegExp, timeoutMs = 10_000): Promise<RegExpMatchArray> {
    const signal = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const match = this.#text.match(expected);
      if (match) return match;
      if (this.#ended) throw new Error(`${this.#name} ended without ${expected}:\n${this.#text}`);
      await once(this.#changes, "change", { signal }).catch((cause: unknown) => {
        throw new Error(`no ${expected} on ${this.#name} within ${timeoutMs} ms:\n${this.#text}`, { cause });
      });
    }
  }
}
