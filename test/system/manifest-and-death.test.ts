import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { waitUntil } from "../../demo/processes.ts";
import { parseLines } from "../../src/system/manifest-line.ts";
import { workingDirectoryOf } from "../../src/system/proc.ts";
import { listPids } from "../../src/system/process-list.ts";
import { cliIn, useApplication } from "../support/application.ts";
import { put } from "../support/hands.ts";

/* Whenever a run is killed, whatever it has removed by then is in a manifest on disk. */

const CONFIG = `app: scraper
temp:
  - files: old/**
  - files: aside/**
    quarantine: 7d
  - directories: "**/__pycache__"
`;

async function useTree(count: number): Promise<{ root: string; paths: string[] }> {
  const root = await useApplication({}, CONFIG);
  const paths = Array.from({ length: count }, (_, n) => [
    `old/${n % 7}/${n}`,
    `aside/${n}`,
    `code/${n}/__pycache__/m.pyc`,
  ]).flat();
  for (const path of paths) put(root, path, `${path}\n`);
  return { root, paths };
}

function recorded(root: string): Set<string> {
  const own = join(root, ".safe-shutdown");
  const manifests = existsSync(own) ? readdirSync(own).filter((name) => name.endsWith(".jsonl")) : [];
  const lines = manifests.flatMap((name) => parseLines(readFileSync(join(own, name), "utf8")).lines);
  return new Set(
    lines.flatMap(({ path, kind }) => (kind === "directory" ? [path, `${path}/m.pyc`] : [path])),
  );
}

/** What is gone without having been written down. */
function lost(root: string, paths: readonly string[]): string[] {
  const known = recorded(root);
  return paths.filter((path) => !existsSync(join(root, path)) && !known.has(path));
}

/** Processes whose working directory is there. */
function workingIn(root: string): number[] {
  return listPids().filter((pid) => workingDirectoryOf(pid)?.startsWith(root));
}

const CLEAN = "clean clean-temp-files --yes --inline --quiet";

/** Kills itself at the moment of a system call, before or after it. */
function dyingAt(call: string, times: number, when: "before" | "after"): Record<string, string> {
  const program = `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module";
    const real = fs.${call}; let left = ${times};
    fs.${call} = (...given) => {
      const isTheOne = --left === 0;
      if (isTheOne && ${when === "before"}) process.kill(process.pid, "SIGKILL");
      const answer = real(...given);
      if (isTheOne) process.kill(process.pid, "SIGKILL");
      return answer;
    };
    syncBuiltinESMExports();`;
  return { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(program)}` };
}

describe("killed", () => {
  test.each([
    { call: "unlinkSync", times: 1, when: "before", gone: 0 },
    { call: "unlinkSync", times: 1, when: "after", gone: 1 },
    { call: "unlinkSync", times: 5, when: "after", gone: 5 },
    { call: "renameSync", times: 3, when: "after", gone: 3 },
    { call: "writeSync", times: 1, when: "before", gone: 0 },
    { call: "fdatasync", times: 1, when: "before", gone: 0 },
  ] as const)("$when call $times of $call", async ({ call, times, when, gone }) => {
    const { root, paths } = await useTree(10);
    const result = await cliIn(root).run(CLEAN, { env: dyingAt(call, times, when) });
    expect(result.signal).toBe("SIGKILL");
    expect(lost(root, paths)).toEqual([]);
    const isMoved = (path: string) => path.startsWith("aside/");
    const missing = paths.filter((path) => !existsSync(join(root, path)));
    expect(missing.filter((path) => isMoved(path) === (call === "renameSync"))).toHaveLength(gone);
  });

  test.each([
    { times: 1, given: false },
    { times: 4, given: true },
  ])(
    "before write $times to disk, while sweepers are at what was written before",
    async ({ times, given }) => {
      const { root, paths } = await useTree(700);
      const program = fileURLToPath(new URL("../support/judging.ts", import.meta.url));
      const execArgv = ["--import", "tsx"];
      const env = { ...process.env, ...dyingAt("fdatasync", times, "before") };
      const [code, signal] = await once(fork(program, [root], { execArgv, env }), "exit");
      expect({ code, signal }).toEqual({ code: null, signal: "SIGKILL" });
      await waitUntil(() => workingIn(root).length === 0, "the sweepers to end");
      expect(lost(root, paths)).toEqual([]);
      const left = paths.filter((path) => existsSync(join(root, path))).length;
      expect({ isGiven: left < paths.length, isAll: left === 0 }).toEqual({ isGiven: given, isAll: false });
      await cliIn(root).run(CLEAN);
      expect(lost(root, paths)).toEqual([]);
      expect(paths.filter((path) => existsSync(join(root, path)))).toEqual([]);
    },
  );

  test("at random moments, again and again, until nothing is left", async () => {
    const { root, paths } = await useTree(1_500);
    let kills = 0;
    for (let round = 0; round < 12; round++) {
      const left = paths.filter((path) => existsSync(join(root, path))).length;
      if (left === 0) break;
      const running = cliIn(root).start(CLEAN, { input: "" });
      const isUnderWay = () =>
        running.child.exitCode !== null ||
        paths.some((path, n) => n % 11 === 0 && !existsSync(join(root, path)));
      if (round % 2 === 0 && left === paths.length) await waitUntil(isUnderWay, "the first removal");
      else await new Promise((resolve) => setTimeout(resolve, 250 + Math.random() * 400));
      running.child.kill("SIGKILL");
      const { signal } = await running.result;
      if (signal === "SIGKILL") kills += 1;
      expect(lost(root, paths)).toEqual([]);
    }
    expect(kills).toBeGreaterThan(0);
    await cliIn(root).run(CLEAN);
    expect(lost(root, paths)).toEqual([]);
  }, 120_000);
});
