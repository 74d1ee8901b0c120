import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll } from "vitest";
import { onFinished } from "./finish.ts";
import { runDirectory } from "./run.ts";

/** An empty directory of the test's own; removed with all in it when the test has finished. */
export function temporaryDirectory(): string {
  const directory = makeTemporaryDirectory();
  onFinished(() => removeDirectory(directory));
  return directory;
}

/** The same for all tests of a file or `describe` block; removed after the last one. */
export function sharedTemporaryDirectory(): string {
  const directory = makeTemporaryDirectory();
  afterAll(() => removeDirectory(directory));
  return directory;
}

function makeTemporaryDirectory(): string {
  return mkdtempSync(join(runDirectory(), "t-"));
}

function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}
