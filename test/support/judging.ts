import { judging } from "../attacks/files/race.ts";

/* Cleans a root once, as where there is much to do. A program, to be killed. */

await judging(process.argv[2] ?? "").run();
