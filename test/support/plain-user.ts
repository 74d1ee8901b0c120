import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** `nobody` on Linux. */
const NOBODY = 65_534;
const DIST = fileURLToPath(new URL("../../dist", import.meta.url));

function prefix(): string[] {
  if (process.getuid?.() !== 0) return [];
  return ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
}

/** Whether something can be run as a user who is not root: this one, or one that root can become. */
export function plainUserAvailable(): boolean {
  if (process.platform !== "linux") return false;
  const words = [...prefix(), process.execPath, "-e", `require("fs").readdirSync(${JSON.stringify(DIST)})`];
  return existsSync("/proc/self") && spawnSync(words[0] ?? "", words.slice(1)).status === 0;
}

/** Whether the tests run as root, who may become somebody else. */
export const isRoot = process.getuid?.() === 0;

/**
 * Runs a module as a user who is not root, with the built hands at `dist` in scope, and gives back what it
 * passes to `answer`. `facts` come in as a value of that name; `become` are the words that run it as somebody else.
 */
export function asPlainUser(program: string, facts: object = {}, become = prefix()): unknown {
  return answerOf(plainly(program, facts, become));
}

/**
 * The same where /proc hides from each user what others run (mounted with this `hidepid`), in a pid namespace of its
 * own, in which root's process has the number 2.
 */
export function asPlainUserWithHiddenProcesses(hidepid: 1 | 2, program: string, facts: object = {}): unknown {
  const hide = `sleep 600 & mount -t proc -o hidepid=${hidepid} proc /proc && "$@"`;
  const inside = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", hide, "sh"];
  return answerOf(["unshare", ...inside, ...plainly(program, facts, prefix())]);
}

function answerOf([command = "", ...words]: readonly string[]): unknown {
  return JSON.parse(execFileSync(command, words, { cwd: "/", encoding: "utf8", timeout: 20_000 }));
}

function plainly(program: string, facts: object, become: readonly string[]): string[] {
  const source = `
    const dist = ${JSON.stringify(`${DIST}/src/`)};
    const facts = ${JSON.stringify(facts)};
    const answer = (value) => console.log(JSON.stringify(value ?? null));
    const signal = new AbortController().signal;
    const { systemClock: clock } = await import(dist + "system/clock.js");
    const { Files } = await import(dist + "system/files.js");
    const { Manifest } = await import(dist + "system/manifest.js");
    const { Quarantine } = await import(dist + "system/quarantine.js");
    const { Quota } = await import(dist + "system/quota.js");
    const { Locks } = await import(dist + "system/locks.js");
    const { Processes } = await import(dist + "system/processes.js");
    const { readProcess } = await import(dist + "system/proc.js");
    const presumed = { pids: new Set(), paths: new Set() };
    const common = { root: facts.root ?? "/var/empty", mode: "apply", clock, signal, presumed };
    const { mkdtempSync, rmSync } = await import("node:fs");
    const handsOn = (root) => {
      const own = { root: mkdtempSync("/tmp/safe-shutdown-plain-"), run: "run-plain", clock };
      process.on("exit", () => rmSync(own.root, { recursive: true }));
      const files = new Files({
        ...common, root, preserve: [],
        quota: new Quota({ noun: "files", limits: { files: 1000, keys: 0 }, mode: "apply" }),
        manifest: new Manifest({ ...own, job: "test", host: "h1" }),
        quarantine: new Quarantine(own),
      });
      return {
        files,
        processes: new Processes({ trustNamespace: false, ...common, root, services: [], files }),
        locks: new Locks(files, { root, mode: "apply", trustNamespace: false, presumed }),
      };
    };
    const all = async (found) => { const list = []; for await (const one of found) list.push(one); return list; };
    ${program}`;
  return [...become, process.execPath, "--input-type=module", "-e", source];
}
