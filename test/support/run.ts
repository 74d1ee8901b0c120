import { realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Set for every process of a test run to the run's id: what still carries it after the run has leaked.
 * Inherited through the environment, so a process started with an environment of its own must pass it on.
 */
export const MARK = "SAFE_SHUTDOWN_TEST";

function runId(): string {
  const id = process.env[MARK];
  if (!id)
    throw new Error(`expected ${MARK} to be set: are the tests run by vitest with this project's config?`);
  return id;
}

/** The one directory that all temporary directories of a run are made in; it must be empty at the end. */
export function runDirectory(id = runId()): string {
  return join(realpathSync(tmpdir()), `safe-shutdown-test-${id}`);
}
