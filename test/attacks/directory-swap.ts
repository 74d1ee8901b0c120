import { type How, type Race, race } from "./files/race.ts";

/** The directory of the victims becomes a link to one outside with the same names in it, and back, all the time. */
export function run({ seconds, how }: { seconds: number; how?: How }): Promise<Race> {
  return race("directory swap", { seconds, how });
}
