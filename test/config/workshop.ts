import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { type LoadedConfig, type LoadOptions, loadConfig } from "../../src/config/load.ts";
import { type Problem, SafeShutdownError } from "../../src/errors.ts";

/** A root of an application with these files; removed when the test is over. */
export function rootWith(files: Readonly<Record<string, string>> = {}): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "safe-shutdown-config-")));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

/** Loads the config of a root on host `h1`, with an empty environment. */
export function load(root: string, options: Partial<LoadOptions> = {}): Promise<LoadedConfig> {
  return loadConfig({ root, host: "h1", env: {}, ...options });
}

/** Loads a config that is just this text. */
export function loadText(yaml: string, options: Partial<LoadOptions> = {}): Promise<LoadedConfig> {
  return load(rootWith({ "safe-shutdown.yaml": yaml }), options);
}

/** The problems that loading ends in; fails when it does not. */
export async function problemsOf(loading: Promise<LoadedConfig>): Promise<readonly Problem[]> {
  const error = await loading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof SafeShutdownError)) expect.fail(`expected config-invalid, got ${String(error)}`);
  expect(error.code).toBe("config-invalid");
  return error.problems;
}
