import { type How, type Race, race } from "./files/race.ts";

/** Each victim becomes a link to its namesake outside, and an old file again, all the time. */
export function run({ seconds, how }: { seconds: number; how?: How }): Promise<Race> {
  return race("file swap", { seconds, how });
}
