import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { useApplication } from "../support/application.ts";
import { temporaryDirectory } from "../support/temp.ts";

/* The package as `npm install` gets it. The tests' own build is packed: a second one would pull the rug from under others. */

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

test("holds the program, its config and its papers, no test and no demo, and runs where it is installed", {
  timeout: 60_000,
}, async () => {
  const directory = temporaryDirectory();
  const packing = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", directory], {
    cwd: PROJECT,
  });
  const [packed] = JSON.parse(packing.stdout) as { filename: string; files: { path: string }[] }[];
  const paths = packed?.files.map(({ path }) => path) ?? [];
  for (const path of [
    "package.json",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "dist/src/cli/main.js",
    "dist/src/index.js",
  ])
    expect(paths).toContain(path);
  for (const path of ["dist/src/index.d.ts", "config/built-in.yaml", "config/safe-shutdown.schema.json"])
    expect(paths).toContain(path);
  expect(paths.filter((path) => !/^(dist|config|docs)\//.test(path)).sort()).toEqual(
    ["CHANGELOG.md", "LICENSE", "README.md", "package.json"].sort(),
  );
  expect(
    paths.filter((path) => /^(test|demo|bench|scripts)\/|\.test\.|^dist\/(test|demo)/.test(path)),
  ).toEqual([]);

  const project = join(directory, "elsewhere");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "elsewhere", "private": true, "type": "module" }');
  const tarball = join(directory, packed?.filename ?? "");
  const options = { cwd: project, env: { ...process.env, SAFE_SHUTDOWN_REDIS_URL: "redis://127.0.0.1:1/0" } };
  await run("npm", ["install", tarball, "--prefer-offline", "--no-audit", "--no-fund"], options);

  const version = await run("npx", ["--no-install", "safe-shutdown", "--version"], options);
  expect(version.stdout).toBe(`${manifest.version}\n`);
  const root = await useApplication({ "old.lock": { ageMs: 3_600_000 } });
  const program = `
    import { connect } from "safe-shutdown";
    import schema from "safe-shutdown/schema.json" with { type: "json" };
    const app = await connect({ root: ${JSON.stringify(root)} });
    const run = await app.start("clean", { mode: "plan", jobs: ["clean-session-locks"], inline: true });
    const report = await run.report();
    await app.close();
    console.log(schema.title, report.verdict, report.jobs[0].items[0].target);`;
  const imported = await run(
    process.execPath,
    ["--no-warnings", "--input-type=module", "-e", program],
    options,
  );
  expect(imported.stdout).toBe("safe-shutdown done old.lock\n");
});
