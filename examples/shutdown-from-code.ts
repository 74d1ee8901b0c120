/*
 * safe-shutdown from code: what `safe-shutdown --dry-run` and `safe-shutdown --yes` do, as a deployment script of
 * your own might. In a project that has the package installed, import from "safe-shutdown" instead.
 *
 *   npx tsx examples/shutdown-from-code.ts /srv/scraper            # shows what would be done, touches nothing
 *   npx tsx examples/shutdown-from-code.ts /srv/scraper --apply    # does it
 */
import { connect, exitCodeOfRun } from "../src/index.ts";

const [root = ".", word] = process.argv.slice(2);

// Loads the application's safe-shutdown.yaml, or the built-in policy. Redis is not asked before it is needed.
const application = await connect({ root });
try {
  // A second start of the same kind attaches to the run that is going on, wherever it was started.
  const run = await application.start("shutdown", { mode: word === "--apply" ? "apply" : "plan" });

  // The same object that `safe-shutdown runs <id> --json` prints later on.
  const report = await run.report();

  const lines = report.jobs.map(({ job, status, reason, totals }) => {
    const count = report.mode === "plan" ? `${totals.planned} planned` : `${totals.done} done`;
    return `  ${job}: ${status}, ${count}${reason === undefined ? "" : `: ${reason}`}`;
  });
  const headline = `${report.app}: ${report.mode} ${report.verdict} (${report.engine}, ${report.run})`;
  process.stdout.write(`${[headline, ...lines].join("\n")}\n`);
  process.exitCode = exitCodeOfRun(report);
} finally {
  await application.close(); // the process can end only when Redis has been let go of
}
