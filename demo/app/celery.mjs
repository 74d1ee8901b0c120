/*
 * Stands in for Celery where no Python is wanted: same command lines, same pid files, same signals.
 *   node celery.mjs -A scraper worker --concurrency 2 --pidfile pids/celery_worker1.pid
 *   node celery.mjs -A scraper beat --pidfile pids/celery_beat.pid --schedule logs/celerybeat-schedule
 *   node celery.mjs -A scraper flower --pidfile pids/flower.pid
 * Of its own: --task-ms (how long the task at hand still takes when SIGTERM comes), --max-seconds (it ends by
 * itself, so that nobody's sandbox outlives a crash), and over IPC `{ pids }` once it is ready.
 */
import { fork } from "node:child_process";
import { appendFileSync, closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    app: { type: "string", short: "A" },
    concurrency: { type: "string", default: "2" },
    pidfile: { type: "string", default: "" },
    schedule: { type: "string", default: "" },
    logfile: { type: "string", default: "" },
    "task-ms": { type: "string", default: "1500" },
    "max-seconds": { type: "string", default: "600" },
  },
});
const role = process.env.CELERY_STAND_IN_POOL ? "pool" : positionals[0];
const taskMs = Number(values["task-ms"]);
setTimeout(() => process.exit(1), Number(values["max-seconds"]) * 1000);

const run = { worker: runWorker, pool: runPoolChild, beat: runBeat, flower: runFlower }[role];
if (!run) throw new Error(`expected worker, beat or flower, got ${role}`);
run();

/** Prefork: the children have the same command line as the main process, as real forks have. */
function runWorker() {
  const env = { ...process.env, CELERY_STAND_IN_POOL: "1" };
  const children = Array.from({ length: Number(values.concurrency) }, () =>
    fork(process.argv[1], process.argv.slice(2), { env, execArgv: [] }),
  );
  let waitingFor = children.length;
  for (const child of children) {
    child.once("message", () => --waitingFor === 0 && ready(children.map(({ pid }) => pid)));
    child.once("exit", (code) => {
      log(code === 0 ? `Task scraper.work in pool child ${child.pid} succeeded` : "WorkerLostError");
    });
  }
  writePidFile();

  // Warm shutdown: the children finish the task at hand. celery.apps.worker: on_SIGTERM.
  onceSignalled("SIGTERM", async () => {
    log("worker: Warm shutdown (MainProcess)");
    await Promise.all(children.map((child) => endOf(child, () => child.send("finish"))));
    removePidFile();
    process.exit(0);
  });
  // Cold shutdown: the children are killed and their tasks with them. celery.apps.worker: on_SIGQUIT.
  onceSignalled("SIGQUIT", async () => {
    log("worker: Cold shutdown (MainProcess)");
    await Promise.all(children.map((child) => endOf(child, () => child.kill("SIGKILL"))));
    removePidFile();
    process.exit(0);
  });
}

/** A pool child outlives a main process that was killed, as Celery's does: it does not watch the channel. */
function runPoolChild() {
  process.on("SIGINT", () => {});
  process.once("message", () => setTimeout(() => process.exit(0), taskMs));
  process.send("ready");
}

/** Beat holds its schedule open while it runs and removes its pid file at the end. */
function runBeat() {
  writePidFile();
  const schedule = values.schedule ? openSync(values.schedule, "a") : undefined;
  ready([]);
  onceSignalled("SIGTERM", () => {
    log("beat: Shutting down...");
    if (schedule !== undefined) closeSync(schedule);
    removePidFile();
    process.exit(0);
  });
}

/** Flower knows no pid file: the scraper's start script writes it, and nobody removes it. */
function runFlower() {
  writePidFile();
  ready([]);
  onceSignalled("SIGTERM", () => process.exit(0));
}

function onceSignalled(signal, act) {
  let acted = false;
  process.on(signal, () => {
    if (acted) return;
    acted = true;
    act();
  });
}

function endOf(child, ask) {
  if (child.exitCode !== null || child.signalCode !== null) return undefined;
  return new Promise((resolve) => {
    child.once("exit", resolve);
    ask();
  });
}

function ready(pids) {
  log(`${role}: ready.`);
  if (process.send) process.send({ pids }, () => process.disconnect());
}

function writePidFile() {
  if (values.pidfile) writeFileSync(values.pidfile, `${process.pid}\n`, { mode: 0o644 });
}

function removePidFile() {
  if (values.pidfile && Number(readFileSync(values.pidfile, "utf8")) === process.pid) rmSync(values.pidfile);
}

function log(line) {
  if (values.logfile) appendFileSync(values.logfile, `${line}\n`);
}
