import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Edit } from "./mechanisms/mechanism.ts";
import { readVitestReport, type TestResult } from "./vitest-report.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const LEFT_BEHIND = ["node_modules", "dist", ".git"];
/** A run that takes longer hangs. */
const LONGEST_RUN_MS = 300_000;

/** How the tests of a name ended. `skipped`: they may not run here; `none`: no test was found, or could be run. */
export interface Ending {
  readonly how: "passed" | "failed" | "skipped" | "none";
  /** What the first failure said, or why there were none. */
  readonly said?: string | undefined;
}

/** The project in a temporary directory, where its source may be changed and its tests be run. */
export class ProjectCopy {
  readonly #directory = mkdtempSync(join(tmpdir(), "safe-shutdown-mechanisms-"));

  /** It is readable for the other users as whom some tests run the program. What an edit leaves unused is no error. */
  constructor() {
    chmodSync(this.#directory, 0o755);
    const filter = (path: string) => !LEFT_BEHIND.includes(basename(path));
    cpSync(PROJECT, this.#directory, { recursive: true, filter });
    symlinkSync(join(PROJECT, "node_modules"), join(this.#directory, "node_modules"));
    this.#rewrite("tsconfig.json", (text) => text.replace(/("noUnused\w+"): true/g, "$1: false"));
    const anew = '"incremental": true, "tsBuildInfoFile": "dist/build.tsbuildinfo", "declaration"'; // what was changed only
    this.#rewrite("tsconfig.build.json", (text) => text.replace('"declaration"', anew));
  }

  /** Does something while the edits are made. Throws when what is to be replaced does not stand there exactly once. */
  async with<T>(edits: readonly Edit[], act: () => Promise<T>): Promise<T> {
    const files = new Set(edits.map(({ file }) => file));
    const before = Array.from(files, (file) => [file, this.#read(file)] as const);
    try {
      for (const { file, find, replace } of edits) {
        const times = this.#read(file).split(find).length - 1;
        if (times !== 1)
          throw new Error(`expected ${JSON.stringify(find)} once in ${file}, found it ${times} times`);
        this.#rewrite(file, (text) => text.replace(find, () => replace));
      }
      return await act();
    } finally {
      for (const [file, text] of before) this.#rewrite(file, () => text);
    }
  }

  /** Runs tests of one file, once each; answers how those of each name ended. */
  async run(file: string, names: readonly string[]): Promise<Ending[]> {
    const report = join(this.#directory, "report.json");
    rmSync(report, { force: true });
    const pattern = names.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
    const options = ["--retry=0", "--reporter=json", `--outputFile=${report}`];
    const program = join(this.#directory, "node_modules/vitest/vitest.mjs");
    const child = spawn(process.execPath, [program, "run", file, "-t", pattern, ...options], {
      cwd: this.#directory,
      stdio: ["ignore", "ignore", "pipe"],
      timeout: LONGEST_RUN_MS,
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    await once(child, "close");
    const files = readVitestReport(report);
    if (files === undefined) return names.map(() => ({ how: "none", said }));
    const results = files.flatMap(({ assertionResults }) => assertionResults);
    const trouble = files.map(({ message = "" }) => message).join("");
    return names.map((name) =>
      endingOf(
        results.filter(({ fullName }) => fullName.includes(name)),
        trouble,
      ),
    );
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #read(file: string): string {
    return readFileSync(join(this.#directory, file), "utf8");
  }

  #rewrite(file: string, change: (text: string) => string): void {
    writeFileSync(join(this.#directory, file), change(this.#read(file)));
  }
}

function endingOf(results: readonly TestResult[], trouble: string): Ending {
  const failed = results.find(({ status }) => status === "failed");
  if (failed !== undefined) return { how: "failed", said: failed.failureMessages?.[0] };
  if (results.some(({ status }) => status === "passed")) return { how: "passed" };
  if (results.length === 0) return { how: "none", said: `no test bears this name ${trouble}` };
  return trouble === "" ? { how: "skipped" } : { how: "none", said: trouble };
}
