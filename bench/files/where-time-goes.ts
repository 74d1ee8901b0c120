import { mkdir, readdir, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type Taken, watchProcesses } from "../processes.ts";
import type { Contender } from "./contenders.ts";
import { run } from "./run.ts";
import { makeTree } from "./tree.ts";

/** Seconds of a processor. */
interface Cost {
  readonly what: string;
  readonly userMs: number;
  readonly systemMs: number;
}

export interface Places {
  /** Where the contenders work. */
  readonly work: string;
  /** Makes it anew. */
  readonly fresh: () => Promise<void>;
  readonly scratch: string;
}

/** Where the time goes, in Markdown, and how long ours takes to load. */
interface Account {
  readonly text: string;
  readonly loadingMs: number;
}

/** Each once more, watched: what it takes of the processors, and what the job's process does meanwhile. */
export async function whereTimeGoes(
  others: readonly Contender[],
  ours: Contender,
  { work, fresh, scratch }: Places,
): Promise<Account> {
  const costs: Cost[] = [];
  for (const { what, command } of others) {
    await fresh();
    costs.push(costOf(what, await watched(command, work)));
  }
  const empty = join(scratch, "empty");
  makeTree(empty, 0);
  const loading = costOf("ours in an empty tree: to load, and to report", await watched(ours.command, empty));
  await fresh();
  const [job, ...sweepers] = await watched(ours.command, work);
  const parts = [
    costOf("ours: the job's process, loading included", job === undefined ? [] : [job]),
    costOf(`ours: ${sweepers.length} sweepers together`, sweepers),
  ];
  const total = parts.reduce((sum, one) => sum + secondsOf(one), 0);
  const amount = availableParallelism();
  const least = secondsOf(loading) + (total - secondsOf(loading)) / amount;
  await fresh();
  const text = [
    `Where the time goes, in seconds of one processor, as the kernel counts them in one more run of each:`,
    [
      "| what | user | system | both |",
      "|---|---:|---:|---:|",
      ...[...costs, loading, ...parts].map((cost) => {
        const columns = [cost.userMs / 1_000, cost.systemMs / 1_000, secondsOf(cost)];
        return `| ${cost.what} | ${columns.map((seconds) => seconds.toFixed(2)).join(" | ")} |`;
      }),
    ].join("\n"),
    `So ours, ${total.toFixed(1)} in all, takes at least ${least.toFixed(1)} s on ${amount} processors, even if nobody ever ` +
      `waits: to load, then the rest on all at once. ${await profiled(ours.command, work, join(scratch, "profile"))}`,
  ].join("\n\n");
  return { text, loadingMs: loading.userMs + loading.systemMs };
}

async function watched(command: readonly string[], cwd: string): Promise<readonly Taken[]> {
  let taken = (): readonly Taken[] => [];
  await run(command, cwd, (pid) => {
    taken = watchProcesses(pid);
  });
  return taken();
}

function costOf(what: string, taken: readonly Taken[]): Cost {
  const sum = (key: "userMs" | "systemMs") => taken.reduce((total, one) => total + one[key], 0);
  return { what, userMs: sum("userMs"), systemMs: sum("systemMs") };
}

function secondsOf({ userMs, systemMs }: Cost): number {
  return (userMs + systemMs) / 1_000;
}

interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string } }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** What the job's process does by its own profile (`node --cpu-prof`). */
async function profiled([node = "", ...words]: readonly string[], work: string, directory: string) {
  await mkdir(directory);
  await run([node, "--cpu-prof", `--cpu-prof-dir=${directory}`, ...words], work);
  const [file = ""] = await readdir(directory);
  const profile = JSON.parse(await readFile(join(directory, file), "utf8")) as Profile;
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  const seconds = new Map<string, number>();
  let total = 0;
  for (const [index, id] of profile.samples.entries()) {
    const name = names.get(id) ?? "";
    const spent = (profile.timeDeltas[index] ?? 0) / 1e6;
    seconds.set(name, (seconds.get(name) ?? 0) + spent);
    total += spent;
  }
  const of = (name: string) => (seconds.get(name) ?? 0).toFixed(1);
  return (
    `The job's process by its profile (\`node --cpu-prof\`): of ${total.toFixed(1)} s it waits ${of("(idle)")} for the ` +
    `sweepers, and collects garbage for ${of("(garbage collector)")}.`
  );
}
