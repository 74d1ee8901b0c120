import { lstatSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import picomatch from "picomatch";
import { expect, test } from "vitest";
import { makeApp } from "../support/app.ts";
import { age, DAY, put } from "../support/hands.ts";

/* What is removed is compared with a slow and obvious reading of the rules, over random trees, rules and preserve lists. */

interface Rule {
  readonly files?: string;
  readonly directories?: string;
  readonly holding?: readonly string[];
  readonly olderThan: "0s" | "1h";
}

interface Case {
  readonly tree: readonly { readonly path: string; readonly kind: "old" | "young" | "link" | "directory" }[];
  readonly rules: readonly Rule[];
  readonly preserve: readonly string[];
}

const name = fc.constantFrom(
  "a",
  "a",
  "b",
  "b",
  "A",
  "cache",
  "x.tmp",
  "x.tmp",
  "y.tmp",
  "x.log",
  ".tmp",
  "pyvenv.cfg",
);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
const piece = fc.constantFrom("a", "b", "cache", "*.tmp", "x.*", "?", "**", "{a,b}", "[a-c]*", "y.tmp");
const glob = fc.oneof(
  fc.constantFrom("**/*.tmp", "a/**/*.tmp", "**/cache", "**/{a,b}", "*/x.*", "**/x.*"),
  fc
    .array(piece, { minLength: 1, maxLength: 3 })
    .map((pieces) => pieces.join("/"))
    .filter((text) => !/\*\*$|^\?$/.test(text)),
);
const olderThan = fc.constantFrom("0s" as const, "1h" as const);
const rule: fc.Arbitrary<Rule> = fc.oneof(
  fc.record({ files: glob, olderThan }),
  fc.record({
    directories: glob,
    holding: fc.subarray(["*.tmp", "x.*", "a", "y.tmp"], { minLength: 1 }),
    olderThan,
  }),
);
const cases: fc.Arbitrary<Case> = fc.record({
  tree: fc.array(fc.record({ path, kind: fc.constantFrom("old", "old", "young", "link", "directory") }), {
    maxLength: 25,
  }),
  rules: fc.array(rule, { minLength: 1, maxLength: 4 }),
  preserve: fc.array(fc.oneof(glob, fc.constantFrom("./a/", "A/**", "b//x.tmp", "x.tmp", "b")), {
    maxLength: 2,
  }),
});

test("what goes is what the rules mean; a plan says the same; a second run finds nothing", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ tree, rules, preserve }) => {
      const app = await makeApp(`temp: ${JSON.stringify(rules)}\npreserve: ${JSON.stringify(preserve)}`);
      for (const one of tree) plant(app.root, one);
      const before = below(app.root, "");
      for (const one of before) if (isDirectory(app.root, one)) age(join(app.root, one), DAY);
      const expected = reference(app.root, before, rules, preserve);

      const planned = (await app.run("clean-temp-files", { mode: "plan" })).targets("planned");
      expect(below(app.root, "")).toEqual(before);
      const done = (await app.run("clean-temp-files")).targets("done");
      const after = new Set(below(app.root, ""));
      const again = (await app.run("clean-temp-files")).targets("done");

      expect(before.filter((there) => !after.has(there) && !isOurs(there))).toEqual(expected);
      expect(planned).toEqual(done);
      expect(again).toEqual([]);
    }),
    { numRuns: 40 },
  );
}, 120_000);

/** Our own directory is nobody's to clean. */
function isOurs(there: string): boolean {
  return there.startsWith(".safe-shutdown");
}

function plant(root: string, { path, kind }: Case["tree"][number]): void {
  const full = join(root, path);
  try {
    mkdirSync(dirname(full), { recursive: true });
    if (kind === "directory") mkdirSync(full, { recursive: true });
    else if (kind === "link") symlinkSync("b", full);
    else put(root, path, "x", kind === "old" ? DAY : 0);
  } catch {} // its place is taken by something else: as good a tree as any
}

/** Every path below, links not followed, sorted. */
function below(root: string, directory: string): string[] {
  return readdirSync(join(root, directory))
    .map((one) => (directory === "" ? one : `${directory}/${one}`))
    .flatMap((one) => (isDirectory(root, one) ? [one, ...below(root, one)] : [one]))
    .filter((one) => one !== "safe-shutdown.yaml")
    .sort();
}

function isDirectory(root: string, path: string): boolean {
  return lstatSync(join(root, path)).isDirectory();
}

/** The paths that are to go, sorted. */
function reference(
  root: string,
  paths: readonly string[],
  rules: readonly Rule[],
  preserve: readonly string[],
) {
  const above = (path: string) =>
    path.split("/").map((_, index, names) => names.slice(0, index + 1).join("/"));
  const isPreserved = (path: string) =>
    above(path).some((one) => preserve.some((pattern) => protects(pattern, one))) ||
    above(path)
      .slice(0, -1)
      .some((one) => paths.includes(`${one}/pyvenv.cfg`));
  const unitRule = (path: string) =>
    rules.find(
      ({ directories }) => directories !== undefined && isDirectory(root, path) && means(directories, path),
    );
  const isOld = (path: string, { olderThan }: Rule) =>
    olderThan === "0s" || Date.now() - lstatSync(join(root, path)).mtimeMs >= 3_600_000;
  const goes = (path: string, rule: Rule) => lstatSync(join(root, path)).isFile() && isOld(path, rule);

  return paths
    .flatMap((path) => {
      if (isPreserved(path)) return [];
      if (
        above(path)
          .slice(0, -1)
          .some((one) => unitRule(one) !== undefined)
      )
        return []; // judged with the unit
      const unit = unitRule(path);
      if (unit !== undefined) {
        const inside = paths.filter((one) => one.startsWith(`${path}/`));
        const isExpected = (one: string) =>
          lstatSync(join(root, one)).isFile() &&
          !preserve.some((pattern) => protects(pattern, one)) &&
          (unit.holding ?? []).some((pattern) => means(pattern, one.slice(path.length + 1)));
        const may = inside.every(isExpected) && [path, ...inside].every((one) => isOld(one, unit));
        return may ? [path, ...inside] : [];
      }
      if (isDirectory(root, path)) return [];
      const first = rules.find(({ files }) => files !== undefined && means(files, path));
      return first !== undefined && goes(path, first) ? [path] : [];
    })
    .sort();
}

function means(pattern: string, path: string): boolean {
  return picomatch.isMatch(path, pattern, { dot: true });
}

function protects(pattern: string, path: string): boolean {
  const plain = pattern
    .split("/")
    .filter((one) => one !== "" && one !== ".")
    .join("/");
  const anywhere = plain.includes("/") ? plain : `**/${plain}`;
  return picomatch.isMatch(path, [anywhere, anywhere.replace(/\/\*\*$/, "")], { dot: true, nocase: true });
}
