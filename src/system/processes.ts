import type { Service } from "../config/config.ts";
import type { Mode } from "../report/report.ts";
import { Asked } from "./asked.ts";
import type { Clock } from "./clock.ts";
import type { Signal } from "./exact-signal.ts";
import type { FileEntry, Files } from "./files.ts";
import { identify, PID_FILE_READ_BYTES, type PidFileFinding } from "./pid-file.ts";
import { isStillRunning, type Process, readProcess, readStatus, workingDirectoryOf } from "./proc.ts";
import { blindSpot, listInContainers, listKin, listProcesses, seesAllProcesses } from "./process-list.ts";
import { ProcessTree } from "./process-tree.ts";
import { type Identity, type SignalEffect, Signals } from "./signals.ts";
import { descendantsOf, isSafeShutdown, programsAmong, topmostInside } from "./strays.ts";
import { Users } from "./users.ts";
import { waitUntilGone } from "./waiting.ts";

export type { PidFileFinding } from "./pid-file.ts";
export type { Process } from "./proc.ts";
export type { ProcessTree } from "./process-tree.ts";
export type { SignalEffect } from "./signals.ts";

/** What is there of one service. */
export interface ServiceState {
  readonly service: Service;
  readonly pidFiles: readonly PidFileFinding[];
  /** Processes that match and work inside the root, but that no pid file leads to; perhaps not of its user. */
  readonly strays: readonly Process[];
  /** Processes that match, but whose directory cannot be seen without root: perhaps strays. */
  readonly unclear: readonly Process[];
  /** Why there may be more, which cannot be seen at all. */
  readonly blindSpot: string | undefined;
}

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
  /** The programs that can signal exactly, best first; the default is what the system has. */
  readonly senders?: readonly string[];
}

/**
 * The hands that find, watch and signal processes. A process is its pid *and* its start time; before a signal it is
 * held, so that no other can be in its place, and looked at again. In plan mode no signal is sent.
 */
export class Processes {
  /** Whom an earlier attempt, or another run, has asked to end. */
  readonly asked: Asked;
  readonly #options: ProcessesOptions;
  /** This process, its ancestors and pid 1: never signalled. */
  readonly #own = ownLineage();
  readonly #users = new Users();
  readonly #signals: Signals;
  #inContainers: ReadonlyMap<number, readonly Process[]> | undefined;

  constructor(options: ProcessesOptions) {
    this.#options = options;
    this.asked = new Asked(options);
    this.#signals = new Signals({ ...options, own: this.#own, users: this.#users });
  }

  /** What is there of every service, in the order of the config. A pid file belongs to its first claimant. */
  async survey(): Promise<ServiceState[]> {
    const { root, services, files, presumed } = this.#options;
    this.#inContainers = undefined;
    await this.#users.learn(services.map(({ user }) => user));
    const rules = services.map((service) => ({ service, patterns: service.pidFiles }));
    const findings = new Map<Service, PidFileFinding[]>(services.map((service) => [service, []]));
    for await (const { rule, path, entry, kept } of files.find(rules, { evenPreserved: true })) {
      const finding = entry === undefined ? unreadable(path, kept) : this.identify(entry, rule.service);
      findings.get(rule.service)?.push(finding);
    }
    const hidden = blindSpot(this.#options.trustNamespace);
    const processes = listProcesses().filter(({ pid }) => !presumed.pids.has(pid));
    const claimed = new Set<number>();
    for (const finding of [...findings.values()].flat()) {
      if (finding.state === "running")
        for (const { pid } of [finding.process, ...descendantsOf(finding.process, processes)])
          claimed.add(pid);
    }
    const unclaimed = processes.filter(({ pid }) => !claimed.has(pid) && !this.#own.has(pid));
    const states: ServiceState[] = [];
    for (const service of services) {
      const alike = await programsAmong(unclaimed, service.matches, this.#options.clock);
      states.push({
        service,
        pidFiles: findings.get(service) ?? [],
        strays: topmostInside(root, alike, processes),
        unclear: alike.filter(
          (process) => workingDirectoryOf(process.pid) === undefined && isStillRunning(process),
        ),
        blindSpot: hidden,
      });
    }
    return states;
  }

  /** What a pid file is worth; without a service it may be of any. */
  identify(file: FileEntry, service?: Service): PidFileFinding {
    const { files, services, root } = this.#options;
    const finding = identify(file, files.read(file, PID_FILE_READ_BYTES), {
      root,
      matches: (service === undefined ? services : [service]).map(({ matches }) => matches),
      ...{ user: service?.user, users: this.#users },
      isOfAnyService: service === undefined,
      insideContainers: (pid) => {
        this.#inContainers ??= listInContainers();
        return this.#inContainers.get(pid) ?? [];
      },
    });
    if (finding.state === "gone" && !(this.#options.trustNamespace || seesAllProcesses())) {
      const reason = `${finding.reason}, as far as can be seen from inside this container (see pidNamespace)`;
      return { file, state: "unsure", reason, mayRun: true };
    }
    if (finding.state !== "running") return finding;
    const { pid } = finding.process;
    if (this.#own.has(pid))
      return { file, state: "unsure", reason: `pid ${pid} is safe-shutdown or its parent`, mayRun: false };
    if (isSafeShutdown(finding.process.commandLine))
      return { file, state: "unsure", reason: `pid ${pid} is another safe-shutdown`, mayRun: false };
    if (this.#options.presumed.pids.has(pid)) return { file, state: "gone", reason: `pid ${pid} is stopped` };
    return finding;
  }

  /** Why a process is not the service's, however it looks: it belongs to another user. */
  whyForeign({ pid }: Process, { user }: Service): string | undefined {
    const status = readStatus(pid);
    return status && this.#users.whyNotOf(user, status.ownerIds);
  }

  /** Processes and all their descendants as of now, each once, parents first. */
  treeOf(...roots: Process[]): Process[] {
    const all = listKin();
    const members = new Map(roots.map((root) => [root.pid, root]));
    for (const root of roots) {
      for (const { pid } of descendantsOf(root, all)) {
        const member = members.get(pid) ?? readProcess(pid);
        if (member !== undefined) members.set(pid, member);
      }
    }
    return [...members.values()];
  }

  /** The same, held; the caller releases it. */
  hold(...roots: Process[]): ProcessTree {
    return new ProcessTree(roots);
  }

  /**
   * Sends a signal to exactly this process. Right before it, pid and start time are compared again, and the
   * command line and the user with `identity` if given. Already gone counts as done; EPERM means that it is alive.
   */
  signal(process: Process, signal: Signal, identity?: Identity): SignalEffect {
    return this.#signals.sendAll([process], signal, () => identity)[0] ?? { outcome: "done" };
  }

  /** The same to many at once; the effects in their order. */
  signalAll(
    processes: readonly Process[],
    signal: Signal,
    identityOf: (process: Process) => Identity | undefined = () => undefined,
  ): SignalEffect[] {
    return this.#signals.sendAll(processes, signal, identityOf);
  }

  /** Stops, at once, whoever is in the process groups of a tree's session leaders. */
  stopGroups(tree: ProcessTree): void {
    this.#signals.stopGroups(tree.leaders());
  }

  /**
   * Waits until all of a tree have ended, what it has started meanwhile included, at most `timeoutMs`; answers those still
   * running. `onWait` is told, several times a second, who is waited for. Ends early when the run is aborted.
   */
  waitUntilGone(
    tree: ProcessTree,
    timeoutMs: number,
    onWait: (running: readonly Process[], waitedMs: number) => void,
  ): Promise<Process[]> {
    return waitUntilGone(tree, timeoutMs, { ...this.#options, onWait });
  }
}

function unreadable(path: string, reason = "it cannot be looked at"): PidFileFinding {
  return { file: { path }, state: "unsure", reason, mayRun: true };
}

function ownLineage(): ReadonlySet<number> {
  const pids = new Set([1, process.pid]);
  for (let pid = process.ppid; pid > 1 && !pids.has(pid); pid = readProcess(pid)?.parentPid ?? 0)
    pids.add(pid);
  return pids;
}
