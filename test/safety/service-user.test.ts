import { spawnSync } from "node:child_process";
import { chownSync, existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readProcess, readStatus } from "../../src/system/proc.ts";
import { Signals } from "../../src/system/signals.ts";
import { Users } from "../../src/system/users.ts";
import { makeApp } from "../support/app.ts";
import { openToAll, put } from "../support/hands.ts";
import { asPlainUser, isRoot } from "../support/plain-user.ts";
import { isAlive, spawnProcess, waitUntil } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

const NOBODY = 65_534;
const services = (more: string) =>
  `services: [{ name: workers, pidFiles: pids/worker.pid, matches: 'celery.*\\bworker\\b', grace: 2s, ${more} }]`;

/** The real and the effective user, in Perl; the last is how a set-uid program of root's runs. */
const BECOME = {
  "is nobody": "$< = $> = 65534",
  "acts for nobody": "$> = 65534",
  "is nobody and acts for root": "$< = 65534",
};

/** A worker, as it looks. */
async function workerOf(cwd: string, how: keyof typeof BECOME): Promise<number> {
  openToAll(cwd);
  const program = put(cwd, "worker.pl", `$| = 1; ${BECOME[how]}; print "ready\\n"; sleep 600`, 0);
  const args = [program, "celery", "worker"];
  return (await spawnProcess({ command: "perl", args, cwd, readyLine: /ready/ })).pid;
}

describe.runIf(isRoot)("a service that names its user", () => {
  test.each(["user: nobody", `user: ${NOBODY}`])("is stopped when it is his (%s)", async (user) => {
    const app = await makeApp(services(user));
    const pid = await workerOf(app.root, "is nobody");
    chownSync(put(app.root, "pids/worker.pid", `${pid}\n`, 0), NOBODY, NOBODY);
    const { report } = await app.run("stop-services");
    expect([report.status, isAlive(pid)]).toEqual(["done", false]);
  });

  test.each([
    { user: "root", how: "is nobody", reason: `it runs as user ${NOBODY}, its service as root` },
    { user: "nobody", how: "acts for nobody", reason: "it runs as user 0, its service as nobody" },
    {
      user: "nobody",
      how: "is nobody and acts for root",
      reason: "it runs as user 0, its service as nobody",
    },
    {
      user: "a-user-of-another-host",
      how: "is nobody",
      reason: "its service is to run as a-user-of-another-host, whom this host does not know",
    },
  ] as const)("leaves alone what is not his: $user, and the process $how", async ({ user, how, reason }) => {
    const app = await makeApp(services(`user: ${user}`));
    const pid = await workerOf(app.root, how);
    const file = put(app.root, "pids/worker.pid", `${pid}\n`, 0); // root's, so it may name anybody
    for (const force of [false, true]) {
      const { lines, report } = await app.run("stop-services", { switches: { force } });
      const stray = `workers (pid ${pid}): kept: left running; ${reason}`;
      expect(lines).toEqual([`pids/worker.pid: kept: pid ${pid} is not the service's: ${reason}`, stray]);
      expect(report.status).toBe("partial");
    }
    expect([isAlive(pid), existsSync(file)]).toEqual([true, true]);
  });

  test("keeps what is there for its sake while somebody else's process looks like it", async () => {
    const app = await makeApp(
      `${services("user: root, strays: stop")}\ntemp: [{ files: "schedule", unlessRunning: workers }]`,
    );
    const pid = await workerOf(app.root, "is nobody");
    const file = put(app.root, "schedule");
    const { lines } = await app.run("clean-temp-files");
    const kept = `schedule: kept: workers is running (pid ${pid}, without a pid file)`;
    expect(lines).toEqual([kept]);
    const plan = await app.run("clean-temp-files", { mode: "plan", presumeStopped: { force: true } });
    expect(plan.lines).toEqual([kept]); // a plan does not take it for stopped either
    expect(existsSync(file)).toBe(true);
  });

  test("is asked whose it is once more, right before the signal", async () => {
    const cwd = temporaryDirectory();
    const program = `$SIG{HUP} = sub { $< = $> = 65534 }; $| = 1; print "ready\\n"; sleep 9 while 1`;
    const args = [put(cwd, "worker.pl", program, 0), "celery", "worker"];
    const { pid, child } = await spawnProcess({ command: "perl", args, cwd, readyLine: /ready/ });
    const process = readProcess(pid);
    if (process === undefined) throw new Error("expected it to run");
    child.kill("SIGHUP");
    await waitUntil(() => readStatus(pid)?.ownerIds[0] === NOBODY, "its new user");
    const users = new Users();
    await users.learn(["root"]);
    const signals = new Signals({ mode: "apply", own: new Set(), users });
    expect(
      signals.sendAll([process], "SIGKILL", () => ({ matches: /celery.*worker/, user: "root" })),
    ).toEqual([{ outcome: "failed", reason: `it runs as user ${NOBODY}, its service as root` }]);
    expect(isAlive(pid)).toBe(true);
  });
});

/** A mount namespace of its own, in which `id` says in `$1/asked` that it was asked, and then nothing. */
const SILENT_ID = 'printf "#!/bin/sh\\necho x >> $0/asked; exec sleep 600\\n" > "$0/id"; chmod 755 "$0/id"';
const IN_OWN_MOUNTS = ["unshare", "--mount", "--propagation", "private", "sh", "-ec"];
const mayMount =
  spawnSync("unshare", [...IN_OWN_MOUNTS.slice(1), "mount --bind /bin/sh /bin/sh"]).status === 0;

test.runIf(isRoot && mayMount)(
  "a directory server that does not answer is asked once for a user, and holds up nothing meanwhile",
  async () => {
    const root = temporaryDirectory();
    const pid = await workerOf(root, "is nobody");
    for (let n = 0; n < 8; n++) put(root, `pids/${n}.pid`, `${pid}\n`, 0);
    const become = [...IN_OWN_MOUNTS, `${SILENT_ID}; mount --bind "$0/id" /usr/bin/id; exec "$@"`, root];

    const answer = asPlainUser(
      `const { files } = handsOn(facts.root);
       const service = { name: "w", pidFiles: ["pids/*.pid"], matches: /celery.*worker/, user: "nobody", graceMs: 1, strays: "stop" };
       const processes = new Processes({ trustNamespace: false, ...common, root: facts.root, services: [service], files });
       let longestMs = 0, lastMs = performance.now();
       const timer = setInterval(() => {
         longestMs = Math.max(longestMs, performance.now() - lastMs);
         lastMs = performance.now();
       }, 10);
       const [first] = await processes.survey();
       const [second] = await processes.survey();
       clearInterval(timer);
       const { readFileSync } = await import("node:fs");
       answer({ longestMs, asked: readFileSync(facts.root + "/asked", "utf8"),
         states: [...first.pidFiles, ...second.pidFiles].map(({ reason }) => reason) });`,
      { root },
      become,
    ) as { longestMs: number; asked: string; states: string[] };

    expect(answer.asked).toBe("x\n");
    expect(answer.longestMs).toBeLessThan(2_000);
    const unknown = `pid ${pid} is not the service's: its service is to run as nobody, whom this host does not know`;
    expect(answer.states).toEqual(Array(16).fill(unknown));
  },
);
