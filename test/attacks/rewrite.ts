import { type How, type Race, race } from "./files/race.ts";

/** Each victim is rewritten, and made old again unless the new one went, all the time. Between the last look and unlink(2) there is always a moment, so `lost` is seldom 0 for long. */
export function run({ seconds, how }: { seconds: number; how?: How }): Promise<Race> {
  return race("rewrite", { seconds, how });
}
