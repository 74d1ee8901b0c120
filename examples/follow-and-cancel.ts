/*
 * Follows a cleaning run event by event, and gives it a deadline: a run that takes longer is cancelled, and ends
 * after its current items. Where Redis is away, the run takes place in this process, and all of it works the same.
 *
 *   npx tsx examples/follow-and-cancel.ts /srv/scraper 30
 */
import { connect, follow, SafeShutdownError } from "../src/index.ts";

const [root = ".", seconds = "60"] = process.argv.slice(2);

const application = await connect({ root });
try {
  const run = await application.start("clean");
  try {
    for await (const event of follow(run, { withinMs: Number(seconds) * 1_000 })) {
      switch (event.type) {
        case "stage":
          console.log(`stage ${event.stage}: ${event.jobs.join(", ")}`);
          break;
        case "job":
          console.log(`${event.job}: ${event.state}`);
          break;
        case "progress":
          console.log(`${event.job}: ${event.progress.totals.done} done, ${event.progress.totals.kept} kept`);
          break;
        case "report":
          console.log(`${run.id}: ${event.report.verdict}`);
      }
    }
  } catch (error) {
    if (!(error instanceof SafeShutdownError && error.code === "partial")) throw error;
    console.log(error.message);
    await run.cancel(); // a run that was started elsewhere: application.cancel(id)
    const report = await run.report(); // what was done until then is in it
    console.log(`${run.id}: cancelled, ${report.verdict}`);
  }
} finally {
  await application.close();
}
