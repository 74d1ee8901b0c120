/*
 * A job of the application's own: before its services are stopped, a file tells the web server to send nobody any
 * more. Copy it into the application and name it in safe-shutdown.yaml:
 *
 *   jobs:
 *     - { module: maintenance/own-job.mjs, flows: [shutdown, stop], before: stop-services }
 *
 * Where the package can be imported, `export default defineJob({ … })` checks the types; the plain object is the same.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

export default {
  name: "send-nobody-any-more",
  summary: "Tell the web server to send nobody any more.",
  runsOn: "every host",

  /** May run twice. What `act` is given happens only when the run is no dry run. */
  async run(_switches, { config, report, act, log }) {
    const flag = "maintenance.flag";
    report.add(flag, await act(() => writeFile(join(config.root, flag), "on\n")));
    log.info({ flag }, "nobody is sent any more");
  },
};
