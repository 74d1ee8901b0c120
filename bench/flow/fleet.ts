/*
 * Many hosts in one process, each with a true worker on its own queue and a heartbeat, but with jobs that do nothing:
 * what is left is the cost of the fleet itself. Prints `ready`; ends with its standard input.
 */
import { Worker } from "bullmq";
import { loadConfig } from "../../src/config/load.ts";
import { builtIn } from "../../src/flow/catalog.ts";
import { beat, HEARTBEAT_MS } from "../../src/flow/hosts.ts";
import { Queues, queueOf, WORKER_TIMING } from "../../src/flow/queues.ts";
import { Recent } from "../../src/flow/recent.ts";
import { takeTask } from "../../src/flow/take-task.ts";
import type { JobReporter, JobResult } from "../../src/report/job-reporter.ts";
import { systemClock as clock, every } from "../../src/system/clock.ts";
import { openRedis } from "../../src/system/redis-connection.ts";

const [root = "", first = "0", count = "0"] = process.argv.slice(2);

const { config } = await loadConfig({ root, host: "bench", env: {} });
const redis = await openRedis(config.queue.url, (error) => console.error(error.message));
const queues = new Queues(redis, config.app, (error) => console.error(error.message));
const log = { info: () => {}, warn: () => {} };
const idle = {
  ...builtIn,
  jobs: new Map([...builtIn.jobs].map(([name, job]) => [name, { ...job, run: async () => {} }])),
};

for (let n = 0; n < Number(count); n++) {
  const host = `h${Number(first) + n}`;
  const post = {
    config: { ...config, host },
    catalog: idle,
    queues,
    clock,
    log,
    results: new Recent<JobResult>(),
    unfinished: new Recent<JobReporter>(),
  };
  const info = {
    ...{ host, pid: process.pid, id: "bench", version: "0.0.0", fingerprint: config.fingerprint, root },
    ...{ machine: "", since: new Date().toISOString(), isCommand: false },
  };
  const worker = new Worker(queueOf(host), (job, token, signal) => takeTask(post, job, token, signal), {
    ...{ connection: redis, prefix: queues.prefix, skipVersionCheck: true },
    ...WORKER_TIMING,
  });
  worker.on("error", (error) => console.error(error.message));
  await worker.waitUntilReady();
  await beat(queues, info, clock.now());
  every(HEARTBEAT_MS, () => void beat(queues, info, clock.now()));
}
console.log("ready");
process.stdin.on("end", () => process.exit()).resume();
