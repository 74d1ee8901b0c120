import fs from "node:fs";
import { join } from "node:path";

/*
 * A local user who may write below the root, and moves it as fast as the machine allows:
 * `node attacker.mjs <race> <directories as JSON>`. On SIGTERM it puts everything back and says how often.
 */

const [, , race, directories] = process.argv;
const { victims, parent, parked, outside, tmp } = JSON.parse(directories);
const names = fs.readdirSync(outside);
const counts = { swaps: 0, lost: 0 };

const races = {
  /** The directory with the victims becomes a link to one outside with the same names in it, and back. */
  "directory swap": swapper(victims, outside),
  /** So does the directory above it: where the path ends is no link. */
  "parent swap": swapper(parent, join(outside, "..")),
  /** Each victim becomes a link to its namesake outside, and an old file again. */
  "file swap": (index) => {
    const name = names[index % names.length];
    fs.symlinkSync(join(outside, name), tmp);
    fs.renameSync(tmp, join(victims, name));
    putOld(name);
  },
  /** Each victim is rewritten, and made old again unless somebody took the new one. */
  rewrite: (index) => {
    const name = names[index % names.length];
    fs.writeFileSync(tmp, "precious");
    fs.renameSync(tmp, join(victims, name));
    for (const until = performance.now() + 0.05; performance.now() < until; ); // time to be found
    if (!fs.existsSync(join(victims, name))) counts.lost += 1;
    putOld(name);
  },
};

function swapper(directory, lure) {
  return () => {
    fs.renameSync(directory, parked);
    fs.symlinkSync(lure, directory);
    fs.unlinkSync(directory);
    fs.renameSync(parked, directory);
  };
}

function putOld(name) {
  fs.writeFileSync(tmp, "victim");
  fs.utimesSync(tmp, 1_000_000, 1_000_000);
  fs.renameSync(tmp, join(victims, name));
}

let isTold = false;
process.once("SIGTERM", () => {
  isTold = true;
});
console.log("ready");
turn();

function turn() {
  for (const until = performance.now() + 10; performance.now() < until; ) races[race](counts.swaps++);
  if (isTold) console.log(JSON.stringify(counts));
  else setImmediate(turn);
}
