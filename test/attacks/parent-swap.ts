import { type How, type Race, race } from "./files/race.ts";

/** The directory above that of the victims becomes a link to one outside, and back, all the time. */
export function run({ seconds, how }: { seconds: number; how?: How }): Promise<Race> {
  return race("parent swap", { seconds, how });
}
