import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, type TestContext, test } from "vitest";
import { isSame } from "../../src/system/evidence.ts";
import { readManifest } from "../../src/system/manifest-reader.ts";
import { Restorer } from "../../src/system/restorer.ts";
import { FILE_SYSTEMS } from "../support/file-systems.ts";
import { all, DAY, handsOn, put, RUN, seen } from "../support/hands.ts";
import { isRoot } from "../support/plain-user.ts";

/* Above 2^53 a number is rounded: two files would have one identity. As root, who may mount. */

function mounted(context: TestContext): string {
  const overlay = FILE_SYSTEMS["overlayfs with inode numbers beyond 2^53"]?.();
  if (overlay === undefined) throw new Error("expected an overlay");
  for (const name of ["a", "b", "c"]) put(overlay.below, name);
  if (!overlay.mount()) context.skip("mount is not permitted here");
  return overlay.root;
}

test.runIf(isRoot)("a file is known by its inode to the last digit", (context) => {
  const root = mounted(context);
  const entry = seen(handsOn(root).files, "a");
  const inode = BigInt.asUintN(64, lstatSync(join(root, "a"), { bigint: true }).ino);
  expect(entry.inode).toBe(inode);
  expect(isSame(entry, entry)).toBe(true);
  expect(isSame(entry, { ...entry, inode: inode + 1n })).toBe(false);
});

test.runIf(isRoot).for([
  { who: "sweepers remove", calledAfter: 0 },
  { who: "the job itself removes", calledAfter: 1_000 },
])("$who what has such an inode, and writes it down", async ({ calledAfter }, context) => {
  const root = mounted(context);
  const { files } = handsOn(root, { ownRoot: root, calledAfter });
  const found = await all(files.find([{ patterns: ["a", "b"] }]));
  const condemned = found.flatMap(({ entry }) => (entry === undefined ? [] : [{ entry, reason: "a test" }]));
  const outcomes: string[] = [];
  for await (const { effect } of files.remove(condemned)) outcomes.push(effect.outcome);
  expect(outcomes).toEqual(["done", "done"]);
  expect(readdirSync(root).sort()).toEqual([".safe-shutdown", "c"]);
  const written = [...(readManifest(root, RUN) ?? [])].map(({ path, inode }) => `${path} ${inode}`);
  expect(written.sort()).toEqual(condemned.map(({ entry }) => `${entry.path} ${entry.inode}`).sort());
});

test.runIf(isRoot)("what was moved to quarantine is put back", async (context) => {
  const root = mounted(context);
  const { files } = handsOn(root, { ownRoot: root });
  const effect = await files.removeOne({ entry: seen(files, "a"), reason: "a test", quarantineMs: DAY });
  expect(effect.outcome).toBe("done");
  const restorer = new Restorer(root, RUN, "apply");
  const [line] = [...(restorer.manifest() ?? [])];
  expect(line && restorer.restore(line)).toEqual({ outcome: "done", bytes: 0 });
  restorer.close();
  expect(readdirSync(root)).toContain("a");
});
