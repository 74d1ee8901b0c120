import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/global-setup.ts",
    pool: "forks",
    maxWorkers: 2,
    /** Of the cases in test/faults, which mostly wait. */
    maxConcurrency: 8,
    /** A machine of CI may be somebody else's for a second: what fails is tried twice more there, and told. Never by hand. */
    retry: process.env.CI ? 2 : 0,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    restoreMocks: true,
    /** A program under test talks to its pipes, a test to nobody: whatever lands on the console is a warning. */
    onConsoleLog(log, type) {
      process.stderr.write(`a test wrote to ${type}, which fails the run: ${log.trimEnd()}\n`);
      process.exitCode = 1;
      return false;
    },
  },
});
