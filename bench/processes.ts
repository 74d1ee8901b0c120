import { readdirSync, readFileSync } from "node:fs";
import { peakIn } from "./peak-memory.ts";

/** What a process took so far. */
export interface Taken {
  readonly pid: number;
  readonly userMs: number;
  readonly systemMs: number;
  /** The most memory that it had at once. */
  readonly peakMegabytes: number;
}

const EVERY_MS = 20;
/** Times in /proc are in hundredths of a second: see USER_HZ in proc(5). */
const TICK_MS = 10;

/** Watches a program and the processes that it starts; answers what each took, the program first. */
export function watchProcesses(pid: number): () => readonly Taken[] {
  const seen = new Map<number, Taken>();
  const look = () => {
    for (const name of readdirSync("/proc")) {
      const one = /^\d+$/.test(name) ? takenBy(Number(name), pid) : undefined;
      if (one !== undefined) seen.set(one.pid, one);
    }
  };
  const timer = setInterval(look, EVERY_MS);
  return () => {
    clearInterval(timer);
    return [...seen.values()].toSorted((a, b) => Number(b.pid === pid) - Number(a.pid === pid));
  };
}

/** `undefined`: it is gone, or neither the program nor a child of it. */
function takenBy(pid: number, program: number): Taken | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const parent = Number(fields[1]);
  if (stat === "" || (pid !== program && parent !== program)) return undefined;
  const peakMegabytes = peakIn(textOf(`/proc/${pid}/status`));
  if (peakMegabytes === undefined) return undefined;
  const [userMs, systemMs] = [Number(fields[11]) * TICK_MS, Number(fields[12]) * TICK_MS];
  return { pid, userMs, systemMs, peakMegabytes };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // no process, or none any more
  }
}
