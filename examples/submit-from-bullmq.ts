/*
 * A run asked for by an application that has nothing but BullMQ and the queue's Redis: no config, none of the files
 * that are cleaned. What may be done is decided by the config of the workers.
 *
 *   npx tsx examples/submit-from-bullmq.ts redis://127.0.0.1:6379/0 telegram-ai-scraper
 */
import { Queue, QueueEvents } from "bullmq";
import { requestOf } from "../src/index.ts";

const [url = "redis://127.0.0.1:6379/0", app = "telegram-ai-scraper"] = process.argv.slice(2);

const { queue, prefix, name, data, options } = requestOf({ app, flow: "clean", hosts: "all", mode: "plan" });
const runs = new Queue(queue, { prefix, connection: { url } });
const events = new QueueEvents(queue, { prefix, connection: { url } });
await events.waitUntilReady();
try {
  // when a run of this kind is going on already, this is that one
  const job = await runs.add(name, data, options);
  console.log(`asked for ${job.id}`);
  const { verdict } = await job.waitUntilFinished(events, 60_000);
  console.log(`${job.id}: ${verdict}; safe-shutdown runs ${job.id} shows its report`);
} finally {
  await Promise.all([events.close(), runs.close()]);
}
