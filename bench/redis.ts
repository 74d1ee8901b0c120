import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { type PrivateRedis, startPrivateRedis } from "../demo/redis.ts";
import { type PrivateCluster, startPrivateCluster } from "../demo/redis-cluster.ts";
import { drawBars } from "./chart.ts";
import { compare, type Measurement, type Subject } from "./measure.ts";
import { peakOf } from "./peak-memory.ts";
import {
  bareGapMs,
  blockingLoop,
  hasPython,
  type Pass,
  prune,
  python,
  redisCli,
  scanStream,
} from "./redis/contenders.ts";
import { fill, remarkOn } from "./redis/keys.ts";
import { type Latency, latencyDuring } from "./redis/other-client.ts";
import type { Suite } from "./suite.ts";

const CLI = fileURLToPath(new URL("../dist/src/cli/main.js", import.meta.url));
const ROUNDS = Number(process.env.ROUNDS ?? 3);
const MATCHING = Number(process.env.KEYS ?? 1_000_000);
const [FEW, MANY] = [MATCHING / 100, 10 * MATCHING];
const OURS = "**safe-shutdown**, with a look at type and age, the default budget of 2 ms";
const LIMIT = "one blocking script call, with the same look";
const BY_HAND = "`redis-cli --scan` into `xargs redis-cli unlink`, no look at the age";
const TYPED = "**safe-shutdown**, the same with `type: string` in its rule";
const OF_CLUSTER = "**safe-shutdown**, the same keys on a Cluster of 3 masters";

const notes: string[] = [];
const passes: Pass[] = [];

/** Pruning Redis by age against one blocking script, and against other ways to remove the same keys. */
export const redis: Suite = {
  name: "redis",
  about:
    `${MATCHING.toLocaleString("en")} keys of ${(1.5 * MATCHING).toLocaleString("en")} go, over loopback, in turn with a single ` +
    `script call that does the same and lets nobody else be answered meanwhile; ${ROUNDS} rounds, each on fresh keys.`,
  notes: () => notes,
  async run() {
    notes.length = 0;
    passes.length = 0;
    const directory = await realpath(await mkdtemp(join(tmpdir(), "safe-shutdown-bench-")));
    const server = await startPrivateRedis();
    // filling holds a node for longer than a Cluster usually waits
    const cluster = await startPrivateCluster({ directory, options: { "cluster-node-timeout": "60000" } });
    const client = new Redis(server.url);
    try {
      const measurements = await race(server, client, cluster);
      notes.push(await whereItGoes(client), ...ratios(measurements));
      notes.push(await patience(server, client), await pythons(server, client));
      notes.push(await memory(server, client, directory));
      return measurements;
    } finally {
      client.disconnect();
      await Promise.all([server.stop(), cluster.stop()]);
      await rm(directory, { recursive: true, force: true });
    }
  },
};

async function race(server: PrivateRedis, client: Redis, cluster: PrivateCluster): Promise<Measurement[]> {
  const onServer = (what: string, act: () => Promise<void>, bound?: number): Subject => ({
    ...{ what, act, prepare: () => fill(client, MATCHING), inspect: () => remarkOn(client, MATCHING) },
    ...(bound !== undefined && { bound }),
  });
  const masters = cluster.masters.map(({ url }) => new Redis(url));
  const part = Math.floor(MATCHING / masters.length / 2) * 2;
  const onCluster: Subject = {
    what: OF_CLUSTER,
    act: async () => void (await prune(cluster.url)),
    prepare: async () => {
      await client.flushall();
      for (const [index, master] of masters.entries()) await fill(master, part, tagOf(index, masters.length));
    },
    inspect: async () => {
      const remarks = await Promise.all(masters.map((master) => remarkOn(master, part)));
      for (const master of masters) await master.flushall();
      return remarks.find((remark) => remark !== undefined);
    },
  };
  try {
    const measurements = await compare(
      onServer(LIMIT, () => blockingLoop(client)),
      [
        onServer(OURS, async () => void passes.push(await prune(server.url)), 1.2),
        onServer(TYPED, async () => void (await prune(server.url, "string"))),
        onCluster,
        onServer("ioredis `scanStream` and `unlink`, no look at the age", () => scanStream(client)),
        onServer(BY_HAND, () => redisCli(server.port)),
      ],
      ROUNDS,
    );
    drawBars(
      "redis",
      `Removing ${MATCHING.toLocaleString("en")} keys of ${(1.5 * MATCHING).toLocaleString("en")}`,
      "s",
      measurements.map(({ what, medianMs }) => ({
        label: what.replaceAll(/[`*]/g, "").replace(/, (with|no) .*/, ""),
        value: medianMs / 1_000,
        isOurs: [OURS, TYPED, OF_CLUSTER].includes(what),
      })),
    );
    return measurements;
  } finally {
    for (const master of masters) master.disconnect();
  }
}

/** A hash tag whose slot is one of a master's, the slots being dealt out in order. */
function tagOf(master: number, masters: number): string {
  for (let tag = 0; ; tag += 1) {
    if (Math.floor((slotOf(String(tag)) * masters) / 16_384) === master) return `{${tag}}`;
  }
}

/** CRC16 (XMODEM), as Redis Cluster has it. */
function slotOf(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1)
      crc = ((crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) >>> 0) & 0xffff;
  }
  return crc % 16_384;
}

function ratios(measurements: readonly Measurement[]): string[] {
  const median = (what: string) => medianOf(measurements, what);
  const faster = median(BY_HAND) / median(OURS);
  const limit = median(BY_HAND) / median(LIMIT);
  const cluster = median(OF_CLUSTER) / median(OURS);
  return [
    `Against ${BY_HAND}: ${faster.toFixed(1)} times faster, at least 5: ${verdict(faster >= 5)}. ` +
      `One blocking call, the limit, is ${limit.toFixed(1)} times faster.`,
    `The Cluster against one server: ${cluster.toFixed(2)} times its time, at most 1: ${verdict(cluster <= 1)}.`,
  ];
}

/** Where the time of a pass goes, and how much of it no client could save. */
async function whereItGoes(client: Redis): Promise<string> {
  const { calls, heldMs, tookMs } = passes.toSorted((a, b) => a.tookMs - b.tookMs)[
    passes.length >> 1
  ] as Pass;
  const betweenMs = (tookMs - heldMs) / calls;
  const bareMs = await bareGapMs(client, heldMs / calls);
  return (
    `Where our time goes: ${calls.toLocaleString("en")} calls of ${(heldMs / calls).toFixed(2)} ms are ` +
    `${((100 * heldMs) / tookMs).toFixed(0)} % of it, two on their way at once; the rest lies between them, ` +
    `${betweenMs.toFixed(2)} ms each, in which Redis answers, reads the next one, and is everybody else's. Two loops that do ` +
    `nothing but call again, a script that only counts for as long, lose ${bareMs.toFixed(2)} ms: all that could be saved ` +
    `with pages of this length is ${((100 * calls * (betweenMs - bareMs)) / tookMs).toFixed(0)} % of our time.`
  );
}

function medianOf(measurements: readonly Measurement[], what: string): number {
  return measurements.find((one) => one.what === what)?.medianMs ?? Number.NaN;
}

async function patience({ port, url }: PrivateRedis, client: Redis): Promise<string> {
  const samples: { calm: Latency; busy: Latency }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await fill(client, MATCHING);
    const calm = await latencyDuring(port, () => delay(2_000));
    samples.push({ calm, busy: await latencyDuring(port, async () => void (await prune(url))) });
  }
  samples.sort((a, b) => a.busy.p99 - a.calm.p99 - (b.busy.p99 - b.calm.p99));
  const { calm, busy } = samples[Math.floor(samples.length / 2)] ?? (samples[0] as never);
  const moreMs = busy.p99 - calm.p99;
  return (
    `Another client's answers, p99 (median of ${ROUNDS} rounds): undisturbed ${calm.p99.toFixed(2)} ms, during pruning ` +
    `${busy.p99.toFixed(2)} ms (the longest ${busy.worst.toFixed(1)} ms); at most 3 ms more: ${verdict(moreMs <= 3)}.`
  );
}

/** Ten times fewer keys, once: it takes minutes. */
async function pythons({ port }: PrivateRedis, client: Redis): Promise<string> {
  if (!(await hasPython()))
    return "The replaced script's way was not measured: Python has no module redis here.";
  const matching = MATCHING / 10;
  await fill(client, matching);
  const startedAt = performance.now();
  await python(port);
  const seconds = (performance.now() - startedAt) / 1_000;
  const remark = await remarkOn(client, matching);
  return (
    `The replaced script's way, KEYS and then one TTL per key from Python: ${seconds.toFixed(0)} s for ` +
    `${matching.toLocaleString("en")} keys${remark === undefined ? "" : ` (${remark})`}, a tenth as many.`
  );
}

async function memory({ url }: PrivateRedis, client: Redis, directory: string): Promise<string> {
  await writeFile(
    join(directory, "safe-shutdown.yaml"),
    "app: bench\nredis: { prune: [{ keys: 'message:*', olderThan: 10m, age: [{ ttl: 24h }] }] }\n",
  );
  const peaks: number[] = [];
  for (const matching of [FEW, MANY]) {
    await fill(client, matching);
    const words = [CLI, "clean", "prune-redis", "--yes", "--inline"];
    peaks.push(await peakOf(words, directory, { SAFE_SHUTDOWN_REDIS_URL: url }));
    const remark = await remarkOn(client, matching);
    if (remark !== undefined) throw new Error(`of ${matching} keys ${remark}`);
  }
  await client.flushall();
  const [few = Number.NaN, many = Number.NaN] = peaks;
  const ratio = many / few;
  return (
    `Memory (peak RSS) of \`safe-shutdown clean prune-redis\`: ${few.toFixed(0)} MB for ${FEW.toLocaleString("en")} keys, ` +
    `${many.toFixed(0)} MB for ${MANY.toLocaleString("en")}: ${ratio.toFixed(2)} times, at most 1.3: ${verdict(ratio <= 1.3)}.`
  );
}

function verdict(holds: boolean): string {
  return holds ? "holds" : "**broken**";
}
