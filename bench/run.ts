import { cli } from "./cli.ts";
import { files } from "./files.ts";
import { flow } from "./flow.ts";
import { isBroken } from "./measure.ts";
import { redis } from "./redis.ts";
import { tableOf, writeResults } from "./results.ts";
import type { Suite } from "./suite.ts";

/*
 * `npm run bench [-- suite…]`: times the built program, writes `bench/results.md`, and exits 1 when a bound is
 * broken. Bounds are ratios within one run, so they hold on any machine.
 */

/** A bound that is told in a sentence, not in the table. */
const BROKEN = "**broken**";

const suites: readonly Suite[] = [cli, files, flow, redis];

process.exitCode = await main(process.argv.slice(2));

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    const known = suites.map(({ name }) => name).join(", ");
    console.error(`expected suites among ${known}; got ${unknown.join(", ")}`);
    return 2;
  }
  let broken = 0;
  for (const suite of suites.filter(({ name }) => names.length === 0 || names.includes(name))) {
    console.log(`${suite.name}: ${suite.about}`);
    const measurements = await suite.run();
    writeResults(suite, measurements);
    console.log(`${tableOf(measurements)}\n`);
    const notes = suite.notes?.() ?? [];
    for (const note of notes) console.log(`${note}\n`);
    broken += measurements.filter(isBroken).length + notes.filter((note) => note.includes(BROKEN)).length;
  }
  if (broken > 0) console.error(broken === 1 ? "1 bound is broken" : `${broken} bounds are broken`);
  return broken > 0 ? 1 : 0;
}
