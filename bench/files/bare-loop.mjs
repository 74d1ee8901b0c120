import { lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";

/*
 * `node bare-loop.mjs <looks> [<part> <parts>]`: what any program of Node must at least do to remove the same files as
 * the others: list every directory, look (lstat) at each file that matches, so often, and unlink it. It checks nothing,
 * writes nothing down, and would follow whoever swaps a directory. With `parts` it does only every so many directories.
 */

const [looks = 1, part = 0, parts = 1] = process.argv.slice(2).map(Number);
const DAY_MS = 86_400_000;
const oldMs = Date.now() - 7 * DAY_MS;
let units = 0;

for (const top of ["logs", "src"])
  for (const name of readdirSync(top)) clean(`${top}/${name}`, top === "logs");

function clean(directory, isLogs) {
  for (const child of readdirSync(directory, { withFileTypes: true })) {
    const path = `${directory}/${child.name}`;
    if (child.isDirectory() && child.name === "__pycache__") {
      for (const name of readdirSync(path)) remove(`${path}/${name}`, false);
      rmdirSync(path);
    } else if (child.isDirectory()) {
      units += 1;
      if (units % parts === part) clean(path, isLogs);
    } else if (isLogs ? child.name.includes(".log.") : child.name.endsWith(".pyc")) remove(path, isLogs);
  }
}

function remove(path, mustBeOld) {
  const { mtimeMs } = lstatSync(path);
  if (mustBeOld && mtimeMs > oldMs) return;
  for (let look = 1; look < looks; look += 1) lstatSync(path);
  unlinkSync(path);
}
