import { existsSync } from "node:fs";
import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drawBars } from "./chart.ts";
import { bareNode, type Contender, onePass, ours, peers, script } from "./files/contenders.ts";
import { run } from "./files/run.ts";
import { differenceTo, makeTree } from "./files/tree.ts";
import { whereTimeGoes } from "./files/where-time-goes.ts";
import { compare, type Measurement, type Subject } from "./measure.ts";
import { type Taken, watchProcesses } from "./processes.ts";
import type { Suite } from "./suite.ts";

const ROUNDS = 5;
/** Some take long. */
const ROUNDS_OF_OTHERS = 1;
/** 208,000 files, 100,000 of which go. */
const SIZE = 1_000;

/** At most so many times one pass of find(1). */
const BOUND = 1.3;

const notes: string[] = [];

/** Cleaning files by the whole command, against one pass of find(1) that removes the same files, and other ways. */
export const files: Suite = {
  name: "files",
  about:
    `100,000 of 208,000 files on tmpfs go: rotated logs of more than a week, \`__pycache__\`, stray \`*.pyc\`. Whole ` +
    `commands, in turn, ${ROUNDS} rounds, each on a fresh copy; what is left is compared file by file. No other way asks ` +
    "who has a file open, writes down what goes before it goes, or checks that the directory was not swapped.",
  notes: () => notes,
  async run() {
    const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
    const directory = await realpath(await mkdtemp(join(base, "safe-shutdown-bench-")));
    try {
      const measurements = await race(directory);
      notes.push(await memory(directory));
      return measurements;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};

async function race(directory: string): Promise<Measurement[]> {
  const [pristine, work, scratch] = ["pristine", "work", "scratch"].map((name) => join(directory, name));
  if (pristine === undefined || work === undefined || scratch === undefined)
    throw new Error("expected three");
  await mkdir(scratch);
  const tree = makeTree(pristine, SIZE);
  const fresh = async () => {
    await rm(work, { recursive: true, force: true });
    await run(["cp", "-a", pristine, work], directory); // fs.cp takes ten times as long
  };
  const subject = ({ what, command }: Contender, bound?: number): Subject => ({
    what,
    ...(bound !== undefined && { bound }),
    prepare: fresh,
    act: async () => void (await run(command, work)),
    inspect: async () => differenceTo(tree, work),
  });
  const measurements = await compare(
    subject(onePass),
    [subject(ours, BOUND), ...Object.values(bareNode).map((one) => subject(one)), subject(script)],
    ROUNDS,
  );
  const [, ...others] = await compare(
    subject(onePass),
    peers(scratch).map((peer) => subject(peer)),
    ROUNDS_OF_OTHERS,
  );
  measurements.push(...others);
  drawBars(
    "files",
    "Cleaning 100,000 of 208,000 files (tmpfs), whole command",
    "s",
    measurements.map(({ what, medianMs, remark }) => ({
      label: `${what.replaceAll(/[`*]/g, "")}${remark === undefined ? "" : " (other files)"}`,
      value: medianMs / 1_000,
      isOurs: what === ours.what,
    })),
  );
  const places = { work, fresh, scratch };
  const { text, loadingMs } = await whereTimeGoes([onePass, ...Object.values(bareNode)], ours, places);
  notes.push(text, limitOf(measurements, loadingMs));
  await rm(work, { recursive: true, force: true });
  await rm(pristine, { recursive: true });
  return measurements;
}

/** What a program of Node needs here at the very least: it loads, then the calls follow, on all processors. */
function limitOf(measurements: readonly Measurement[], loadingMs: number): string {
  const timeOf = ({ what }: Contender) =>
    measurements.find((one) => one.what === what)?.medianMs ?? Number.NaN;
  const [find, replaced] = [timeOf(onePass), timeOf(script)];
  const [bare, checked] = [loadingMs + timeOf(bareNode.twice), loadingMs + timeOf(bareNode.checked)];
  const ratio = (time: number, to: number) => (time / to).toFixed(2);
  const reach = (most: number) => (checked <= most ? "within reach" : "out of reach");
  return (
    `What a program of Node needs here at the very least, to load ours (${(loadingMs / 1_000).toFixed(2)} s) and then to ` +
    `make the calls in plain loops: ${ratio(bare, find)} times one pass of find with no checks, ${ratio(checked, find)} ` +
    `times with all that the safety rules ask for. So with all safety checks on, ${BOUND} times is ${reach(BOUND * find)}, ` +
    `and to be faster than the replaced script (${ratio(checked, replaced)} times its time) is ${reach(replaced)}.`
  );
}

/** What the process itself says at its end: its longest pause since it was loaded. */
const PROBE = `data:text/javascript,${encodeURIComponent(`
import { monitorEventLoopDelay } from "node:perf_hooks";
import { writeSync } from "node:fs";
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
setTimeout(() => delay.reset(), 2000).unref();
process.on("exit", () => {
  writeSync(2, "PROBE " + delay.max / 1e6 + " " + delay.percentile(99) / 1e6 + "\\n");
});
`)}`;

async function memory(directory: string): Promise<string> {
  const [few, many] = [await probe(directory, 48), await probe(directory, 4_808)];
  const ratio = many.megabytes / few.megabytes;
  const peaks = [few, many].map(
    ({ files, megabytes }) => `${megabytes.toFixed(0)} MB for ${files.toLocaleString("en")} files`,
  );
  return (
    `Peak memory of the program and its sweepers: ${peaks.join(", ")}, ${ratio.toFixed(2)} times as much (bound 1.3: ${ratio <= 1.3 ? "holds" : "**broken**"}). ` +
    `Longest pause of the event loop with the many, once the program was loaded: ${many.longestMs.toFixed(0)} ms, ` +
    `p99 ${many.p99Ms.toFixed(0)} ms.`
  );
}

async function probe(directory: string, size: number) {
  const root = join(directory, `memory-${size}`);
  const { files } = makeTree(root, size);
  const [node = "", ...words] = ours.command;
  let taken = (): readonly Taken[] => [];
  const said = await run([node, "--import", PROBE, ...words], root, (pid) => {
    taken = watchProcesses(pid);
  });
  const numbers = /PROBE (\S+) (\S+)/.exec(said)?.slice(1).map(Number);
  const [longestMs = Number.NaN, p99Ms = Number.NaN] = numbers ?? [];
  await rm(root, { recursive: true });
  const megabytes = taken().reduce((sum, { peakMegabytes }) => sum + peakMegabytes, 0);
  return { files, megabytes, longestMs, p99Ms };
}
