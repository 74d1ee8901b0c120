import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { diff, type Listing, snapshot } from "../test/support/listing.ts";
import { isAlive } from "./processes.ts";
import type { Sandbox } from "./sandbox.ts";

/** Everything of the sandbox that can be compared. */
export interface World {
  readonly files: Listing;
  /** Each key with its value as Redis dumps it, and whether it has a TTL. */
  readonly keys: ReadonlyMap<string, string>;
  readonly running: readonly number[];
}

/** One thing the demo claims; `against` names what speaks against it, and is empty when it holds. */
export interface Claim {
  readonly text: string;
  readonly against: readonly string[];
}

/** Looks at everything and changes nothing; idle times of keys excepted. */
export async function look(sandbox: Sandbox, redis: Redis): Promise<World> {
  const keys = new Map<string, string>();
  for (const key of (await redis.keys("*")).sort()) {
    const value = await redis.dumpBuffer(key);
    const ttl = (await redis.pttl(key)) < 0 ? "no TTL" : "TTL";
    keys.set(key, `${ttl} ${value?.toString("hex")}`);
  }
  return { files: snapshot(sandbox.root), keys, running: processesOf(sandbox).filter(isAlive) };
}

/** What must be as it was after the dry run: all of it. The queue's own keys come and go. */
export function proveUntouched(before: World, after: World): Claim[] {
  const { added, removed, changed } = diff(before.files, after.files);
  const keys = [...before.keys].filter(([key, value]) => after.keys.get(key) !== value).map(([key]) => key);
  return [
    {
      text: `the dry run changed none of ${before.files.size} files and directories, their times included`,
      against: [...added, ...removed, ...changed],
    },
    { text: `and none of ${before.keys.size} keys`, against: keys },
    {
      text: `and ended none of ${before.running.length} processes`,
      against: before.running.filter((pid) => !after.running.includes(pid)).map(named),
    },
  ];
}

/** What must be true after the shutdown, by the sandbox's own lists. */
export function proveShutdown(sandbox: Sandbox, before: World, after: World): Claim[] {
  const { files, keys, services } = sandbox;
  const differs = (path: string) => before.files.get(path)?.sha256 !== after.files.get(path)?.sha256;
  const ended = services.flatMap(({ pid, pool }) => [pid, ...pool]);
  const goneKeys = keys.removed.filter((key) => after.keys.has(key));
  const lostKeys = keys.kept.filter((key) => valueIn(after, key) !== valueIn(before, key));
  return [
    claim(
      `${count(ended)} service processes have ended, pool children included`,
      ended.filter(isAlive).map(named),
    ),
    claim(
      `${tasksAtHand(sandbox)} tasks that were running were finished, none was cut off`,
      unfinished(sandbox),
    ),
    claim(
      `${count(files.removed)} files and directories meant to go are gone`,
      stillThere(files.removed, after),
    ),
    claim("each of them was written down before", unrecorded(sandbox, files.removed)),
    claim(`${count(files.kept)} files meant to stay are byte-identical`, files.kept.filter(differs)),
    claim(`${count(keys.removed)} keys that were old are gone`, goneKeys),
    claim(
      `${count(keys.kept)} keys that were young, the broker's or somebody else's have their values`,
      lostKeys,
    ),
    claim(
      `${count(keys.givenTtl)} keys that would have stayed for ever have been given a TTL`,
      endless(keys.givenTtl, after),
    ),
    claim("the held lock is there, and its holder lives", dead(sandbox.lockHolder.pid)),
    claim("the process whose pid stood in a stale pid file lives", dead(sandbox.bystander.pid)),
  ];
}

function claim(text: string, against: readonly string[]): Claim {
  return { text, against };
}

function named(pid: number): string {
  return `pid ${pid}`;
}

function count(list: readonly unknown[]): string {
  return `all ${list.length}`;
}

function valueIn(world: World, key: string): string | undefined {
  return world.keys.get(key)?.split(" ").at(-1);
}

function endless(keys: readonly string[], world: World): string[] {
  return keys.filter((key) => world.keys.get(key)?.startsWith("no TTL") ?? true);
}

function stillThere(paths: readonly string[], world: World): string[] {
  return paths.filter((path) => world.files.has(path));
}

/** Paths that no manifest of a run names. */
function unrecorded({ root }: Sandbox, paths: readonly string[]): string[] {
  const directory = join(root, ".safe-shutdown");
  const manifests = readdirSync(directory).filter((name) => name.endsWith(".jsonl"));
  const lines = manifests.flatMap((name) => readFileSync(join(directory, name), "utf8").trim().split("\n"));
  const recorded = new Set(lines.map((line) => JSON.parse(line).path));
  return paths.filter((path) => !recorded.has(path));
}

function dead(pid: number): string[] {
  return isAlive(pid) ? [] : [named(pid)];
}

function tasksAtHand(sandbox: Sandbox): number {
  return sandbox.services.flatMap(({ pool }) => pool).length;
}

/** Pool children that have not said in the worker's log that their task succeeded. */
function unfinished(sandbox: Sandbox): string[] {
  const logs = sandbox.files.growing.map((path) => readFileSync(join(sandbox.root, path), "utf8")).join("");
  const children = sandbox.services.flatMap(({ pool }) => pool);
  return children.filter((pid) => !logs.includes(`pool child ${pid} succeeded`)).map(named);
}

function processesOf({ services, lockHolder, bystander }: Sandbox): number[] {
  return [...services.flatMap(({ pid, pool }) => [pid, ...pool]), lockHolder.pid, bystander.pid];
}
