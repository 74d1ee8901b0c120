import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { Service } from "../config/config.ts";
import { messageOf, systemCodeOf } from "../errors.ts";
import type { Mode } from "../report/report.ts";
import type { Clock } from "./clock.ts";
import type { FileEntry, Files } from "./files.ts";
import { identify, PID_FILE_READ_BYTES, type PidFileFinding } from "./pid-file.ts";
import {
  isStillRunning,
  listParents,
  listProcesses,
  type Process,
  processOfThread,
  readProcess,
  seesAllProcesses,
  workingDirectoryOf,
} from "./proc.ts";

export type { PidFileFinding } from "./pid-file.ts";
export type { Process } from "./proc.ts";

/** What is there of one service. */
export interface ServiceState {
  readonly service: Service;
  readonly pidFiles: readonly PidFileFinding[];
  /** Processes that match and work inside the root, but that no pid file leads to. */
  readonly strays: readonly Process[];
  /** Processes that match, but whose directory cannot be seen without root: perhaps strays. */
  readonly unclear: readonly Process[];
}

/** What came of a signal. */
export type SignalEffect =
  | { readonly outcome: "done" | "planned" }
  | { readonly outcome: "changed" | "failed"; readonly reason: string };

export interface ProcessesOptions {
  /** A real path. */
  readonly root: string;
  readonly services: readonly Service[];
  readonly files: Files;
  readonly mode: Mode;
  /** The config says that every process of the application is in this pid namespace. */
  readonly trustNamespace: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Processes that an earlier stage of the same plan would have stopped already. */
  readonly presumed: { readonly pids: ReadonlySet<number> };
}

const POLL_MS = 50;

/**
 * The hands that find, watch and signal processes. A process is its pid *and* its start time; both are
 * compared again right before every signal. In plan mode no signal is sent.
 */
export class Processes {
  readonly #options: ProcessesOptions;
  /** This process, its ancestors and pid 1: never signalled. */
  readonly #own = ownLineage();

  constructor(options: ProcessesOptions) {
    this.#options = options;
  }

  /** What is there of every service, in the order of the config. A pid file belongs to its first claimant. */
  async survey(): Promise<ServiceState[]> {
    const { services, presumed } = this.#options;
    const rules = services.map((service) => ({ service, patterns: service.pidFiles }));
    const findings = new Map<Service, PidFileFinding[]>(services.map((service) => [service, []]));
    for await (const { rule, path, entry, kept } of this.#options.files.find(rules, {
      evenPreserved: true,
    })) {
      const finding = entry === undefined ? unreadable(path, kept) : this.identify(entry, rule.service);
      findings.get(rule.service)?.push(finding);
    }

    const processes = listProcesses().filter(({ pid }) => !presumed.pids.has(pid));
    const claimed = new Set<number>();
    for (const finding of [...findings.values()].flat()) {
      if (finding.state === "running")
        for (const { pid } of [finding.process, ...descendantsOf(finding.process, processes)])
          claimed.add(pid);
    }
    return services.map((service) => ({
      service,
      pidFiles: findings.get(service) ?? [],
      strays: this.#straysOf(service, processes, claimed),
      unclear: this.#unclaimed(service, processes, claimed).filter(
        (process) => workingDirectoryOf(process.pid) === undefined && isStillRunning(process),
      ),
    }));
  }

  /** What a pid file is worth; without a service it may be of any. */
  identify(file: FileEntry, service?: Service): PidFileFinding {
    const { files, services, root } = this.#options;
    const finding = identify(file, files.read(file, PID_FILE_READ_BYTES), {
      root,
      matches: (service === undefined ? services : [service]).map(({ matches }) => matches),
      isOfAnyService: service === undefined,
    });
    if (finding.state === "gone" && !(this.#options.trustNamespace || seesAllProcesses())) {
      const reason = `${finding.reason}, as far as can be seen from inside this container (see pidNamespace)`;
      return { file, state: "unsure", reason, mayRun: true };
    }
    if (finding.state !== "running") return finding;
    const { pid } = finding.process;
    if (this.#own.has(pid))
      return { file, state: "unsure", reason: `pid ${pid} is safe-shutdown or its parent`, mayRun: false };
    if (this.#options.presumed.pids.has(pid)) return { file, state: "gone", reason: `pid ${pid} is stopped` };
    return finding;
  }

  /** Processes and all their descendants as of now, each once, parents first. */
  treeOf(...roots: Process[]): Process[] {
    const all = listParents();
    const members = new Map(roots.map((root) => [root.pid, root]));
    for (const root of roots) {
      for (const { pid } of descendantsOf(root, all)) {
        const member = members.get(pid) ?? readProcess(pid);
        if (member !== undefined) members.set(pid, member);
      }
    }
    return [...members.values()];
  }

  /**
   * Sends a signal to exactly this process. Right before it, pid and start time are compared again, and the
   * command line with `matches` if given. Already gone counts as done; EPERM means that it is alive.
   */
  signal(process: Process, signal: "SIGTERM" | "SIGKILL", matches?: RegExp): SignalEffect {
    if (this.#own.has(process.pid)) return { outcome: "failed", reason: "it is safe-shutdown or its parent" };
    const now = readProcess(process.pid);
    if (now === undefined) return { outcome: "done" };
    if (processOfThread(process.pid) !== process.pid) {
      return { outcome: "changed", reason: "its pid belongs to a thread of another process now" };
    }
    if (now.startTicks !== process.startTicks) {
      return { outcome: "changed", reason: "its pid belongs to another process now" };
    }
    if (matches !== undefined && !matches.test(now.commandLine)) {
      return { outcome: "changed", reason: "its command line does not match any more" };
    }
    return this.#options.mode === "plan" ? { outcome: "planned" } : send(process.pid, signal);
  }

  /**
   * Waits until all have ended, at most `timeoutMs`; answers those still running. `onWait` is told, several
   * times a second, who is waited for. Ends early when the run is aborted.
   */
  async waitUntilGone(
    processes: readonly Process[],
    timeoutMs: number,
    onWait: (running: readonly Process[], waitedMs: number) => void,
  ): Promise<Process[]> {
    const { clock, signal } = this.#options;
    const startedAtMs = clock.elapsed();
    for (;;) {
      const running = processes.filter(isStillRunning);
      const waitedMs = clock.elapsed() - startedAtMs;
      if (running.length === 0 || waitedMs >= timeoutMs || signal.aborted) return running;
      onWait(running, waitedMs);
      await clock.sleep(Math.min(POLL_MS, timeoutMs - waitedMs), signal);
    }
  }

  /**
   * Only the topmost ones: what a stray has started, such as the pool of a Celery worker, bears the same command line
   * and is its own business.
   */
  #straysOf(service: Service, processes: readonly Process[], claimed: ReadonlySet<number>): Process[] {
    const matching = this.#unclaimed(service, processes, claimed).filter(({ pid }) =>
      isInside(workingDirectoryOf(pid), this.#options.root),
    );
    const below = new Set(matching.flatMap((stray) => descendantsOf(stray, processes).map(({ pid }) => pid)));
    return matching.filter(({ pid }) => !below.has(pid));
  }

  #unclaimed(service: Service, processes: readonly Process[], claimed: ReadonlySet<number>): Process[] {
    return processes.filter(
      ({ pid, commandLine }) =>
        !claimed.has(pid) && !this.#own.has(pid) && isProgram(commandLine, service.matches),
    );
  }
}

/** What runs a program that is named in its arguments. */
const INTERPRETER = /^(?:python|pypy|node|ruby|perl|php|java|deno|bun)[\d.]*$/;

/**
 * Whether a command line is that of a program which `matches`, not one that only mentions it: an editor or a `tail` on
 * a file of that name, a shell with the words in its script. The match must begin in the program's own name, or, for an
 * interpreter, in its first arguments (`python3 -m celery …`). safe-shutdown itself is none, whatever its `--root` is.
 */
function isProgram(commandLine: string, matches: RegExp): boolean {
  const words = commandLine.split(" ");
  const isInterpreted = INTERPRETER.test(basename(words[0] ?? ""));
  if (isOurs((isInterpreted && words.slice(1).find((word) => !word.startsWith("-"))) || (words[0] ?? "")))
    return false;
  const reach = words.slice(0, isInterpreted ? 4 : 1).join(" ").length;
  return (matches.exec(commandLine)?.index ?? reach) < reach;
}

const OWN_PROGRAM = fileURLToPath(new URL("../cli/main.js", import.meta.url));

function isOurs(program: string): boolean {
  return program === OWN_PROGRAM || /(?:^|\/)safe-shutdown(?:\/dist\/src\/cli\/main\.js)?$/.test(program);
}

function unreadable(path: string, reason = "it cannot be looked at"): PidFileFinding {
  return { file: { path }, state: "unsure", reason, mayRun: true };
}

function isInside(path: string | undefined, root: string): boolean {
  return path !== undefined && (path === root || path.startsWith(`${root}/`));
}

function send(pid: number, signal: "SIGTERM" | "SIGKILL"): SignalEffect {
  try {
    process.kill(pid, signal);
    return { outcome: "done" };
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === "ESRCH") return { outcome: "done" };
    const reason =
      code === "EPERM" ? "it is alive, and only its owner or root may signal it" : messageOf(error);
    return { outcome: "failed", reason };
  }
}

type Kin = Pick<Process, "pid" | "parentPid" | "startTicks">;

/** A process whose number belongs to another by now has no descendants: those are the other's. */
function descendantsOf<Member extends Kin>(root: Kin, all: readonly Member[]): Member[] {
  if (!all.some(({ pid, startTicks }) => pid === root.pid && startTicks === root.startTicks)) return [];
  const found: Member[] = [];
  for (let parents: readonly Kin[] = [root]; parents.length > 0; ) {
    const pids = new Set(parents.map(({ pid }) => pid));
    const children = all.filter(({ pid, parentPid }) => pids.has(parentPid) && pid !== root.pid);
    found.push(...children);
    parents = children;
  }
  return found;
}

function ownLineage(): ReadonlySet<number> {
  const pids = new Set([1, process.pid]);
  for (let pid = process.ppid; pid > 1 && !pids.has(pid); pid = readProcess(pid)?.parentPid ?? 0)
    pids.add(pid);
  return pids;
}
