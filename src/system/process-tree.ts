import { HeldProcess } from "./held-process.ts";
import { bootedAtMs, type Process } from "./proc.ts";
import { type Kin, listKin } from "./process-list.ts";

/** More at once would take more descriptors than a system may give; the rest follow when these have ended. */
const MAX_HELD = 1_000;

/**
 * Processes with all that they have started, each of them held, and so never confused with another. It grows as they
 * start more: an orphan cannot be traced back to its parents, so whoever wants all of them looks again and again.
 * A child belongs to it only if its parent, which is held, was still there after the child had named it.
 */
export class ProcessTree {
  readonly #bootMs = bootedAtMs();
  readonly #members = new Map<number, HeldProcess>();
  /** Roots that lead a session. Whatever is in it was started by them: a session is inherited, never joined. */
  readonly #leaders: readonly HeldProcess[];
  #isRestless = false;

  constructor(roots: readonly Process[]) {
    for (const root of roots) {
      const held = HeldProcess.of(root, this.#bootMs);
      if (typeof held !== "string") this.#members.set(root.pid, held);
    }
    this.#leaders = [...this.#members.values()].filter((root) => root.stat()?.sessionId === root.pid);
    this.grow();
  }

  /** A root as it is held, or as it was given when it has gone. */
  rootOf(process: Process): Process {
    return this.#members.get(process.pid) ?? process;
  }

  /** Those that still run, parents before their children. */
  running(): HeldProcess[] {
    return [...this.#members.values()].filter((member) => member.isRunning());
  }

  /** Roots that lead a session and the process group of the same number. */
  leaders(): readonly HeldProcess[] {
    return this.#leaders.filter((leader) => leader.stat()?.groupId === leader.pid);
  }

  /** Whether the last look saw some that ended before they could be held: then there may be more of them. */
  get isRestless(): boolean {
    return this.#isRestless;
  }

  /** Looks who was started since; answers those who are new. */
  grow(): HeldProcess[] {
    this.#isRestless = false;
    const kin = listKin();
    const byParent = groupByParent(kin);
    const found: HeldProcess[] = [];
    for (let parents = this.running(); parents.length > 0; ) {
      const children = parents.flatMap((parent) => this.#childrenOf(parent, byParent.get(parent.pid) ?? []));
      found.push(...children);
      parents = children;
    }
    return [...found, ...this.#leaders.flatMap((leader) => this.#orphansOf(leader, kin))];
  }

  release(): void {
    for (const member of this.#members.values()) member.release();
    this.#members.clear();
  }

  #childrenOf(parent: HeldProcess, candidates: readonly Kin[]): HeldProcess[] {
    return this.#holdAll(candidates, (child) => child.stat()?.parentPid === parent.pid && parent.isRunning());
  }

  /**
   * Members of the leader's session whose parents have ended. A session's number is not given away while it has a
   * member: so one that we hold, before and after, proves that it is still the same session.
   */
  #orphansOf(leader: HeldProcess, kin: readonly Kin[]): HeldProcess[] {
    const isMember = (process: HeldProcess) => process.stat()?.sessionId === leader.pid;
    const witnesses = [...this.#members.values()].filter(isMember);
    const candidates = kin.filter(({ sessionId }) => sessionId === leader.pid);
    return this.#holdAll(candidates, (one) => isMember(one) && witnesses.some(isMember));
  }

  #holdAll(candidates: readonly Kin[], belongs: (process: HeldProcess) => boolean): HeldProcess[] {
    const found: HeldProcess[] = [];
    for (const candidate of candidates) {
      const known = this.#members.get(candidate.pid);
      if (known?.isRunning() || known?.startTicks === candidate.startTicks) continue;
      const held = this.#isFull() ? "there is no room" : HeldProcess.of(candidate, this.#bootMs);
      if (typeof held === "string") {
        this.#isRestless = true;
        continue;
      }
      if (belongs(held)) {
        known?.release();
        this.#members.set(candidate.pid, held);
        found.push(held);
      } else {
        held.release();
        this.#isRestless = true;
      }
    }
    return found;
  }

  /** Makes room by forgetting those that have ended. */
  #isFull(): boolean {
    if (this.#members.size < MAX_HELD) return false;
    for (const [pid, member] of this.#members) {
      if (this.#leaders.includes(member) || member.stat() !== undefined) continue;
      member.release();
      this.#members.delete(pid);
    }
    return this.#members.size >= MAX_HELD;
  }
}

function groupByParent(kin: readonly Kin[]): ReadonlyMap<number, Kin[]> {
  const groups = new Map<number, Kin[]>();
  for (const one of kin) {
    const group = groups.get(one.parentPid);
    if (group === undefined) groups.set(one.parentPid, [one]);
    else group.push(one);
  }
  return groups;
}
