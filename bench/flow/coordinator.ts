/*
 * Asks for one shutdown of all hosts, runs its parent, and follows it to its report. Prints what it took as JSON:
 * `ms`, and the peak of its memory in MB.
 */
import { connect } from "../../src/index.ts";
import { peakMegabytes } from "../peak-memory.ts";

const [root = ""] = process.argv.slice(2);

const application = await connect({ root, host: "coordinator" });
const startedAtMs = performance.now();
const run = await application.start("shutdown", { hosts: "all", keepRedis: true });
const { verdict, hosts } = await run.report();
const ms = performance.now() - startedAtMs;
console.log(JSON.stringify({ ms, megabytes: peakMegabytes(), verdict, hosts: hosts.length }));
await application.close();
process.exit();
