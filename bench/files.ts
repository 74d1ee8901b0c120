import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drawBars } from "./chart.ts";
import { type Contender, onePass, ours, peers, script } from "./files/contenders.ts";
import { differenceTo, makeTree } from "./files/tree.ts";
import { compare, type Measurement, type Subject } from "./measure.ts";
import type { Suite } from "./suite.ts";

const ROUNDS = 5;
/** Some take long. */
const ROUNDS_OF_OTHERS = 1;
/** 208,000 files, 100,000 of which go. */
const SIZE = 1_000;

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
  const subject = ({ what, command }: Contender, bound?: number): Subject => ({
    what,
    ...(bound !== undefined && { bound }),
    prepare: async () => {
      await rm(work, { recursive: true, force: true });
      await run(["cp", "-a", pristine, work], directory); // fs.cp takes ten times as long
    },
    act: async () => void (await run(command, work)),
    inspect: async () => differenceTo(tree, work),
  });
  const measurements = await compare(subject(onePass), [subject(ours, 1.3), subject(script)], ROUNDS);
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
  await rm(work, { recursive: true, force: true });
  await rm(pristine, { recursive: true });
  return measurements;
}

/** What the process itself says at its end. */
const PROBE = `data:text/javascript,${encodeURIComponent(`
import { monitorEventLoopDelay } from "node:perf_hooks";
import { writeSync } from "node:fs";
const delay = monitorEventLoopDelay({ resolution: 1 });
setImmediate(() => delay.enable());
process.on("exit", () => writeSync(2, "PROBE " + process.resourceUsage().maxRSS + " " + delay.max / 1e6 + " " + delay.percentile(99) / 1e6 + "\\n"));
`)}`;

async function memory(directory: string): Promise<string> {
  const measured: { files: number; kilobytes: number; longestMs: number; p99Ms: number }[] = [];
  for (const size of [48, 4_808]) {
    const root = join(directory, `memory-${size}`);
    const { files } = makeTree(root, size);
    const [node = "", ...words] = ours.command;
    const said = await run([node, "--import", PROBE, ...words], root);
    const [kilobytes = Number.NaN, longestMs = Number.NaN, p99Ms = Number.NaN] =
      /PROBE (\S+) (\S+) (\S+)/.exec(said)?.slice(1).map(Number) ?? [];
    measured.push({ files, kilobytes, longestMs, p99Ms });
    await rm(root, { recursive: true });
  }
  const [few, many] = measured;
  const ratio = (many?.kilobytes ?? Number.NaN) / (few?.kilobytes ?? Number.NaN);
  const rows = measured.map(
    ({ files, kilobytes, longestMs, p99Ms }) =>
      `${files.toLocaleString("en")} files: ${(kilobytes / 1_000).toFixed(0)} MB, longest pause of the event loop ${longestMs.toFixed(0)} ms (p99 ${p99Ms.toFixed(0)} ms)`,
  );
  return `Memory (peak RSS) and pauses: ${rows.join("; ")}. Ratio of the memory ${ratio.toFixed(2)}, bound 1.3: ${ratio <= 1.3 ? "holds" : "**broken**"}.`;
}

/** What it said on stderr. */
async function run([command = "", ...words]: readonly string[], cwd: string): Promise<string> {
  const child = spawn(command, words, { cwd, stdio: ["ignore", "ignore", "pipe"] });
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ${words.join(" ")} ended with ${code}:\n${said.join("")}`);
  return said.join("");
}
