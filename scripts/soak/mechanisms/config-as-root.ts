import type { Mechanism } from "./mechanism.ts";

const TRUST = "src/system/trust.ts";
const TEST = "test/safety/config-as-root.test.ts";

/** Section "Config as root" of docs/safety.md. */
export const CONFIG_AS_ROOT: readonly Mechanism[] = [
  {
    promise: "Root acts on no config file",
    edits: [{ file: TRUST, find: "if (stats.uid !== ROOT)", replace: "if (stats.uid < 0)" }],
    test: { file: TEST, name: "the file is his" },
  },
  {
    promise: "Root acts on no config file",
    edits: [{ file: TRUST, find: "(stats.mode & 0o022) === 0", replace: "(stats.mode & 0o002) === 0" }],
    test: { file: TEST, name: "his group may write it" },
  },
  {
    promise: "Root acts on no config file",
    edits: [{ file: TRUST, find: "(stats.mode & 0o022) === 0", replace: "(stats.mode & 0o020) === 0" }],
    test: { file: TEST, name: "anybody may write it" },
  },
  {
    promise: "Root acts on no config file",
    edits: [
      {
        file: TRUST,
        find: "const fault = faultOf(step.stats);",
        replace: "const fault = step.stats.isDirectory() ? undefined : faultOf(step.stats);",
      },
    ],
    test: { file: TEST, name: "its directory is his" },
  },
  {
    promise: "Root acts on no config file",
    edits: [
      {
        file: TRUST,
        find: "const fault = faultOf(step.stats);",
        replace: "const fault = step.stats.isSymbolicLink() ? undefined : faultOf(step.stats);",
      },
    ],
    test: { file: TEST, name: "it is behind a link of his" },
  },
  {
    promise: "Root acts on no config file",
    edits: [
      { file: TRUST, find: "const isSticky = stats.isDirectory() &&", replace: "const isSticky = false &&" },
    ],
    test: { file: TEST, name: "a sticky directory is no way in" },
  },
  {
    promise: "What was checked is what is read",
    edits: [
      {
        file: TRUST,
        find: "if (seen.dev === open.dev && seen.ino === open.ino) return undefined;",
        replace: "if (seen.dev === open.dev) return undefined;",
      },
    ],
    test: { file: TEST, name: "what was checked is what is read" },
  },
];
