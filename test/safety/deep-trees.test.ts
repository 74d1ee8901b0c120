import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeApp } from "../support/app.ts";
import { put } from "../support/hands.ts";

const CONFIG =
  'temp: [{ files: "**/*.tmp" }, { directories: "**/cache", holding: ["*"] }]\npreserve: ["**/a/**/keep"]';

/** Node cannot make, nor remove, what lies so deep. */
function dig(root: string, name: string, levels: number, last: string): void {
  onTestFinished(() => {
    execFileSync("rm", ["-rf", join(root, "deep")]);
  });
  const script = `mkdir "deep"; chdir "deep"; for (1..${levels}) { mkdir "${name}"; chdir "${name}" or die } open(F, ">${last}") or die`;
  execFileSync("perl", ["-e", script], { cwd: root });
}

test.each([
  { what: "4,000 levels deep", name: "d", levels: 4_000 },
  { what: "in a path of 20,000 characters", name: "n".repeat(200), levels: 100 },
])("what lies $what is kept with the reason, and the rest goes", async ({ name, levels }) => {
  const app = await makeApp(CONFIG);
  dig(app.root, name, levels, "x.tmp");
  put(app.root, "y.tmp");
  put(app.root, `deep/${name}/z.tmp`);
  const { lines, report } = await app.run("clean-temp-files");
  expect(lines.filter((line) => line.endsWith(": done"))).toEqual([
    `deep/${name}/z.tmp: done`,
    "y.tmp: done",
  ]);
  expect(lines.filter((line) => /^deep\/.*: kept: cannot be read: ENAMETOOLONG$/.test(line))).toHaveLength(1);
  expect(report.totals).toMatchObject({ done: 2, kept: 1, failed: 0 });
});

test("names of 255 bytes go, in a path that just fits", async () => {
  const app = await makeApp(CONFIG);
  const name = `${"\u00e9".repeat(125)}x.tmp`; // 255 bytes
  put(app.root, `${"n".repeat(255)}/${name}`);
  expect((await app.run("clean-temp-files")).targets("done")).toHaveLength(1);
  expect(readdirSync(join(app.root, "n".repeat(255)))).toEqual([]);
  expect(existsSync(app.root)).toBe(true);
});
