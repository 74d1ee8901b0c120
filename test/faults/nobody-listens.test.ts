import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect } from "vitest";
import { CLI, terminalAvailable } from "../support/cli.ts";
import { processesNaming } from "../support/process-table.ts";
import { waitUntil } from "../support/processes.ts";
import { expectSameEnd } from "./ending.ts";
import { fault } from "./fault.ts";
import { pruning, stopping } from "./moments.ts";
import { HOST, Scene } from "./scene.ts";

/*
 * The operator has gone, or has read enough: the run goes on.
 */

describe.runIf(terminalAvailable())("a terminal that is closed", () => {
  describe.concurrent.each([stopping, pruning])("$moment", (moment) => {
    fault("lets the run go to its end", async () => {
      const scene = await Scene.open({ workers: 0 });
      const terminal = await scene.commandOnTerminal();
      await scene.strike(moment, ({ held }) => {
        terminal.signal("SIGKILL"); // `script` is the terminal
        held.release();
      });
      scene.service.letGo();
      await waitUntil(() => processesNaming(scene.app.root).length === 0, "the command to end", 60_000);
      await expectSameEnd(scene);
    });
  });
});

/** How a shell passes on what the command says, until the reader has seen enough. */
const pipes = {
  "its report": '"$@" | head -1 >/dev/null',
  "what it tells on the way": '"$@" 2>&1 >/dev/null | head -1',
};

describe.concurrent.each(Object.entries(pipes))("a reader of %s who has seen enough", (_what, pipe) => {
  fault("does not keep the command from ending its run, and ending well", async () => {
    const scene = await Scene.open();
    scene.letServiceGo({ whenAsked: 1 });
    const words = [process.execPath, CLI, "--yes", "--json", "--host", HOST, "--root", scene.app.root];
    const shell = spawn("bash", ["-c", `${pipe}; exit \${PIPESTATUS[0]}`, "bash", ...words], {
      stdio: "ignore",
    });
    const [code] = await once(shell, "exit");
    expect(code).toBe(0);
    await expectSameEnd(scene);
  });
});
