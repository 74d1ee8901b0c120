import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { startPrivateRedis } from "../demo/redis.ts";
import type { Measurement } from "./measure.ts";
import type { Suite } from "./suite.ts";

const SIZES = (process.env.SIZES ?? "10,100,1000").split(",").map(Number);
const ROUNDS = Number(process.env.ROUNDS ?? 3);
/** Hosts of one process: its event loop is to be no bottleneck. */
const PER_PROCESS = 250;
/** Time must grow no faster than linearly, and the memory of the coordinator stay flat. */
const BOUNDS = { timePerHost: 1.1, memory: 1.3 };

interface Sample {
  readonly msPerHost: number;
  readonly megabytes: number;
  readonly redisBytesPerHost: number;
}

const notes: string[] = [];

/** One run over a fleet of simulated hosts: what a host costs in time, in Redis, and in the coordinator. */
export const flow: Suite = {
  name: "flow",
  about:
    `One shutdown of all hosts through the queue, ${SIZES.join(", ")} simulated hosts (true workers and queues, jobs ` +
    `that do nothing), ${ROUNDS} rounds: milliseconds per host, from the request to the report.`,
  notes: () => notes,
  async run() {
    notes.length = 0;
    const samples = new Map<number, Sample[]>(SIZES.map((size) => [size, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const size of SIZES) samples.get(size)?.push(await measure(size));
    }
    const of = (size: number, pick: (sample: Sample) => number) =>
      median((samples.get(size) ?? []).map(pick));
    const megabytes = SIZES.map((size) => of(size, (sample) => sample.megabytes));
    const growth = Math.max(...megabytes) / Math.min(...megabytes);
    notes.push(
      `Redis memory per host and run: ${SIZES.map((size) => `${(of(size, (sample) => sample.redisBytesPerHost) / 1_000).toFixed(1)} kB of ${size}`).join(", ")}.`,
      `Memory (peak RSS) of the coordinator: ${SIZES.map((size, index) => `${megabytes[index]?.toFixed(0)} MB for ${size}`).join(", ")}. ` +
        `Ratio ${growth.toFixed(2)}, bound ${BOUNDS.memory}: ${growth <= BOUNDS.memory ? "holds" : "**broken**"}.`,
    );
    return SIZES.map((size): Measurement => {
      const times = (samples.get(size) ?? []).map(({ msPerHost }) => msPerHost).toSorted((a, b) => a - b);
      return {
        what: `${size} hosts, per host`,
        medianMs: median(times),
        spreadMs: [times[0] ?? 0, times.at(-1) ?? 0],
        ratio: median(times) / of(SIZES[0] ?? 0, (sample) => sample.msPerHost),
        bound: size === SIZES[0] ? undefined : BOUNDS.timePerHost,
      };
    });
  },
};

async function measure(size: number): Promise<Sample> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "safe-shutdown-bench-")));
  const server = await startPrivateRedis();
  const redis = new Redis(server.url);
  const fleet: ChildProcess[] = [];
  try {
    await writeFile(
      join(root, "safe-shutdown.json"),
      JSON.stringify({ app: "fleet", redis: { url: server.url } }),
    );
    for (let first = 0; first < size; first += PER_PROCESS) {
      const child = start("fleet.ts", root, String(first), String(Math.min(PER_PROCESS, size - first)));
      fleet.push(child);
      await lineOf(child);
    }
    const before = await usedMemory(redis);
    const { ms, megabytes, verdict, hosts } = JSON.parse(await lineOf(start("coordinator.ts", root)));
    if (verdict !== "done" || hosts !== size + 1) {
      throw new Error(`expected a run of ${size + 1} hosts that is done, got ${hosts}: ${verdict}`);
    }
    return {
      msPerHost: ms / size,
      megabytes,
      redisBytesPerHost: ((await usedMemory(redis)) - before) / size,
    };
  } finally {
    for (const child of fleet) await end(child);
    redis.disconnect();
    await server.stop();
    await rm(root, { recursive: true, force: true });
  }
}

function start(name: string, ...args: string[]): ChildProcess {
  const file = fileURLToPath(new URL(`./flow/${name}`, import.meta.url));
  // a small heap is collected often: what is left is what is needed, not what happens to lie about
  const heap = name === "coordinator.ts" ? ["--max-old-space-size=64", "--max-semi-space-size=2"] : [];
  return spawn(process.execPath, [...heap, "--import", "tsx", file, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
}

/** The first line that a process prints. */
async function lineOf(child: ChildProcess): Promise<string> {
  let text = "";
  for await (const chunk of child.stdout ?? []) {
    text += chunk;
    if (text.includes("\n")) return text;
  }
  throw new Error(`a process of the fleet ended without a word: ${text}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.stdin?.end();
  await ended;
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1] ?? Number.NaN);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
