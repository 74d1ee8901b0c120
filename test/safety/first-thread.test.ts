import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readProcess } from "../../src/system/proc.ts";
import { makeApp } from "../support/app.ts";
import { put } from "../support/hands.ts";
import { isRoot } from "../support/plain-user.ts";
import { type LongLived, spawnProcess } from "../support/processes.ts";

const PYTHON = "/usr/bin/python3";

/** Its first thread ends as exit(2) of the kernel does it; the other holds a file open and says when that is so. */
const WITHOUT_FIRST_THREAD = `
import ctypes, os, platform, sys, threading, time
held = open(sys.argv[1])
def stay():
    while open("/proc/%d/stat" % os.getpid()).read().rsplit(")", 1)[1].split()[0] != "Z":
        time.sleep(0.005)
    print("ready", flush=True)
    time.sleep(600)
threading.Thread(target=stay).start()
ctypes.CDLL(None).syscall(60 if platform.machine() == "x86_64" else 93, 0)
`;

function withoutFirstThread(root: string, file: string): Promise<LongLived> {
  return spawnProcess({
    command: PYTHON,
    args: [put(root, "worker.py", WITHOUT_FIRST_THREAD), file, "celery", "worker"],
    cwd: root,
    readyLine: /^ready$/,
  });
}

const stateOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.[0];

describe.runIf(existsSync(PYTHON) && isRoot)(
  "a process whose first thread has ended, while another lives",
  () => {
    test("looks like a zombie, and counts as running", async () => {
      const app = await makeApp("locks: []");
      const { pid } = await withoutFirstThread(app.root, put(app.root, "any"));
      expect(stateOf(pid)).toBe("Z");
      expect(readdirSync(`/proc/${pid}/task`)).toHaveLength(2);
      expect(readProcess(pid)).toMatchObject({ pid });
    });

    test("keeps the lock that it has open, and the one that names it", async () => {
      const app = await makeApp('locks: [{ files: "*.lock" }]');
      const open = put(app.root, "open.lock", "");
      const { pid } = await withoutFirstThread(app.root, open);
      put(app.root, "named.lock", `${pid}`);
      put(app.root, "stale.lock", "");
      const { lines } = await app.run("clean-session-locks");
      expect(lines).toEqual([
        `named.lock: kept: held by pid ${pid} (named in it), 1h old`,
        `open.lock: kept: held by pid ${pid} (has it open), 1h old`,
        "stale.lock: done: stale: 1h old, held by nobody",
      ]);
    });

    test("keeps a temp file that it has open", async () => {
      const app = await makeApp('temp: [{ files: "*.tmp" }]');
      const { pid } = await withoutFirstThread(app.root, put(app.root, "a.tmp"));
      expect((await app.run("clean-temp-files")).lines).toEqual([`a.tmp: kept: pid ${pid} has it open`]);
    });

    test("is stopped as the service it is", async () => {
      const app = await makeApp(
        `services: [{ name: workers, pidFiles: pids/worker.pid, matches: 'celery.*\\bworker\\b', grace: 2s }]`,
      );
      const { pid } = await withoutFirstThread(app.root, put(app.root, "any"));
      put(app.root, "pids/worker.pid", `${pid}\n`, 0);
      const { lines, report } = await app.run("stop-services");
      expect(lines).toEqual([
        "pids/worker.pid: done",
        expect.stringMatching(`^workers \\(pid ${pid}\\): done`),
      ]);
      expect(report.status).toBe("done");
      expect(existsSync(join(app.root, "pids/worker.pid"))).toBe(false);
    });
  },
);
