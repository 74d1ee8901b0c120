import type { Mechanism } from "./mechanism.ts";

const INTENT = "src/flow/intent.ts";
const OF_INTENT = "test/flow/intent.test.ts";

/** Section "The queue" of docs/safety.md. */
export const QUEUE: readonly Mechanism[] = [
  {
    promise: "The queue carries intent, not paths",
    edits: [
      {
        file: INTENT,
        find: "export const taskSchema = z.strictObject({",
        replace: "export const taskSchema = z.object({",
      },
    ],
    test: { file: OF_INTENT, name: "refuses a task with" },
  },
  {
    promise: "The queue carries intent, not paths",
    edits: [
      {
        file: INTENT,
        find: "export const intentSchema = z.strictObject({",
        replace: "export const intentSchema = z.object({",
      },
    ],
    test: { file: OF_INTENT, name: "refuses an intent with" },
  },
  {
    promise: "The queue carries intent, not paths",
    edits: [
      { file: INTENT, find: "const name = z.string().regex(NAME);", replace: "const name = z.string();" },
    ],
    test: { file: OF_INTENT, name: "refuses a task with" },
  },
  {
    promise: "A run is not followed that is not the one asked for",
    edits: [
      {
        file: "src/flow/submission.ts",
        find: " || kindOf(request) !== kind) return false;",
        replace: ") return false;",
      },
    ],
    test: { file: "test/safety/planted.test.ts", name: "is not followed" },
  },
  {
    promise: "A heartbeat that was planted counts for nothing",
    edits: [
      {
        file: "src/flow/hosts.ts",
        find: "worker !== undefined && isBeating(ttlMs)",
        replace: "worker !== undefined && ttlMs !== -2",
      },
    ],
    test: { file: "test/safety/planted.test.ts", name: "does not count" },
  },
  {
    promise: "A host is not given up because Redis was away",
    edits: [
      {
        file: "src/flow/roll-call.ts",
        find: "const PATIENCE_MS = 2 * HEARTBEAT_MS",
        replace: "const PATIENCE_MS = 0 * HEARTBEAT_MS",
      },
    ],
    test: { file: "test/flow/hosts.test.ts", name: "was seen lately" },
  },
  {
    promise: "No password is told, whoever quotes it",
    edits: [
      { file: "src/system/redis-connection.ts", find: 'text.replaceAll(secret, "***")', replace: "text" },
    ],
    test: {
      file: "test/safety/secrets.test.ts",
      name: "a Redis that quotes the password back does not make",
    },
  },
];
