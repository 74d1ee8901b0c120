import {
  closeSync,
  fdatasyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";

/*
 * `node checked-loop.mjs <part> <parts>`: `bare-loop.mjs` with the calls that the safety rules ask for, in plain loops that
 * know this one tree. Every directory is entered and proved to be where its path says, on the same mount, and before each
 * removal once more; what goes is written down before, on disk; it is compared with what was seen; a directory that goes
 * whole is looked through twice. No rules are read; nothing is limited, reported or asked.
 */

const [part = 0, parts = 1] = process.argv.slice(2).map(Number);
const DAY_MS = 86_400_000;
const MOST = 4_096;
const root = process.cwd();
const oldMs = Date.now() - 7 * DAY_MS;
const at = new Date().toISOString();
const manifest = openSync(`${root}/.safe-shutdown-${part}`, "a");
const mount = mountOf(root);
const proved = new Map();
let held = "";
let going = [];
let weight = 0;

let number = 0;
for (const top of ["logs", "src"])
  for (const middle of readdirSync(`${root}/${top}`))
    for (const name of readdirSync(`${root}/${top}/${middle}`)) {
      number += 1;
      if (number % parts === part) clean(`${top}/${middle}/${name}`, top === "logs");
    }
removeAll();
closeSync(manifest);

function clean(directory, isLogs) {
  hold(directory);
  const units = [];
  for (const child of readdirSync(".", { withFileTypes: true })) {
    if (child.isDirectory()) {
      if (child.name === "__pycache__") units.push(child.name);
    } else if (isLogs ? child.name.includes(".log.") : child.name.endsWith(".pyc")) {
      const seen = look(child.name);
      if (isLogs && seen.mtimeMs > oldMs) continue;
      going.push({ directory, seen });
      weight += 1;
    }
  }
  for (const name of units) {
    hold(directory);
    const seen = look(name);
    const files = lookThrough(`${directory}/${name}`);
    going.push({ directory, seen, files });
    weight += files.length + 1;
  }
  if (weight >= MOST) removeAll();
}

function removeAll() {
  writeSync(manifest, going.map(linesOf).join(""));
  fdatasyncSync(manifest);
  for (const { directory, seen, files } of going)
    if (files === undefined) remove(directory, seen);
    else removeUnit(directory, seen, files);
  going = [];
  weight = 0;
}

function removeUnit(directory, seen, files) {
  hold(directory);
  if (!isSame(seen, look(seen.name))) return;
  const unit = `${directory}/${seen.name}`;
  const now = lookThrough(unit);
  if (now.length !== files.length || !now.every((one, index) => isSame(files[index], one))) return;
  for (const file of files) remove(unit, file);
  hold(directory);
  if (isSame(seen, look(seen.name))) rmdirSync(seen.name);
}

function remove(directory, seen) {
  hold(directory);
  if (isSame(seen, look(seen.name))) unlinkSync(seen.name);
}

function lookThrough(unit) {
  hold(unit);
  return readdirSync(".").map(look);
}

function hold(directory) {
  const real = `${root}/${directory}`;
  if (held === directory && realpathSync.native(".") === real) return;
  process.chdir(real);
  if (realpathSync.native(".") !== real) throw new Error(`${directory} was moved`);
  const { dev, ino } = statSync(".");
  const identity = `${dev}:${ino}`;
  if (proved.get(directory) !== identity && mountOf(".") !== mount)
    throw new Error(`${directory} is a mount`);
  proved.set(directory, identity);
  held = directory;
}

function mountOf(directory) {
  const descriptor = openSync(directory);
  const [, id] = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1")) ?? [];
  closeSync(descriptor);
  return id;
}

function look(name) {
  const { mode, dev, ino, mtimeMs, ctimeMs, size } = lstatSync(name);
  return { name, mode, dev, ino, mtimeMs, ctimeMs, size };
}

function isSame(before, now) {
  if (before.dev !== now.dev || before.ino !== now.ino || before.mode !== now.mode) return false;
  return before.name === "__pycache__" || (before.ctimeMs === now.ctimeMs && before.size === now.size);
}

function linesOf({ directory, seen, files }) {
  const inside = files?.map((file) => lineOf(`${directory}/${seen.name}`, file)).join("") ?? "";
  return inside + lineOf(directory, seen);
}

function lineOf(directory, { name, size, mtimeMs, ino }) {
  const path = `${directory}/${name}`;
  return `${JSON.stringify({ at, job: "clean-temp-files", host: "bench", kind: "file", path, sizeBytes: size, modifiedAtMs: mtimeMs, inode: ino, reason: "older than 7d" })}\n`;
}
