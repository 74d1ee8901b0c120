import type { Mechanism } from "./mechanism.ts";

const SWEEPERS_TEST = "test/system/sweepers.test.ts";
const LOTS_TEST = "test/system/lots.test.ts";
const POLICY = "jobs/temp-policy.ts";
const REMOVAL = "src/system/removal.ts";
const HAND_OVER = "src/system/hand-over.ts";
const SWEEP = "src/system/sweep.ts";

/** Section "Sweepers" of docs/safety.md. */
export const SWEEPERS: readonly Mechanism[] = [
  {
    promise: "What is found, removed, reported and written down does not depend on it",
    edits: [{ file: SWEEP, find: "new Search(rules, preserve)", replace: "new Search(rules, [])" }],
    test: { file: SWEEPERS_TEST, name: "the report and what is left are the same with sweepers" },
  },
  {
    promise: "In a dry run sweepers judge nothing",
    edits: [
      {
        file: "src/system/files.ts",
        find: 'const mayJudge = this.#options.mode === "apply";',
        replace: "const mayJudge = true;",
      },
    ],
    test: { file: SWEEPERS_TEST, name: "the report and what is left are the same with sweepers" },
  },
  {
    promise: "A sweeper judges only what nobody has to be asked about",
    edits: [
      {
        file: "jobs/clean-temp-files.ts",
        find: 'return rule.kind !== "pidFiles" && !isForAProcess(rule) && rule.quarantineMs === undefined;',
        replace: "return rule.kind !== undefined;",
      },
    ],
    test: { file: LOTS_TEST, name: "what a dry run says without sweepers is what they do" },
  },
  {
    promise: "A sweeper judges only what nobody has to be asked about",
    edits: [
      {
        file: POLICY,
        find: "if (!mayBeOpen(file)) return undefined;",
        replace: 'if (file.path !== "") return undefined;',
      },
    ],
    test: { file: LOTS_TEST, name: "what a process has open stays, and the report says which process" },
  },
  {
    promise: "What is not written down is not given to a sweeper",
    edits: [{ file: REMOVAL, find: "await manifest.record(lot.lines);", replace: "" }],
    test: { file: LOTS_TEST, name: "each line of the manifest is what the job would write" },
  },
  {
    promise: "What is not written down is not given to a sweeper",
    edits: [
      {
        file: REMOVAL,
        find: "await manifest.record(lot.lines);",
        replace: "setTimeout(() => void manifest.record(lot.lines), 20);",
      },
    ],
    test: {
      file: "test/system/manifest-and-death.test.ts",
      name: "while sweepers are at what was written before",
    },
  },
  {
    promise: "What is not written down is not given to a sweeper",
    edits: [
      {
        file: REMOVAL,
        find: "await manifest.record(lines);",
        replace: "if (this.#options.crew.sweepers === undefined) await manifest.record(lines);",
      },
    ],
    test: { file: SWEEPERS_TEST, name: "the report and what is left are the same with sweepers" },
  },
  {
    promise: "A sweeper removes by the very look that was written down",
    edits: [
      {
        file: "src/system/sweepers.ts",
        find: "return origin?.sweeper.remembers(origin.walk) === true ? origin : undefined;",
        replace: "return origin;",
      },
    ],
    test: { file: SWEEPERS_TEST, name: "also when that was so long ago that it has forgotten" },
  },
  {
    promise: "A sweeper removes by the very look that was written down",
    edits: [
      {
        file: "src/system/sweepers.ts",
        find: "(unit !== undefined && !this.#told.has(unit.files))",
        replace: "false",
      },
    ],
    test: { file: SWEEPERS_TEST, name: "a unit that was looked into once more goes as it was then" },
  },
  {
    promise: "A limit holds exactly",
    edits: [
      {
        file: HAND_OVER,
        find: "this.#isFull = amount > room.amount || bytes > room.bytes;",
        replace: "this.#isFull = amount > 1e9 + room.amount + bytes + room.bytes;",
      },
    ],
    test: { file: SWEEPERS_TEST, name: "is kept to" },
  },
  {
    promise: "A limit holds exactly",
    edits: [
      {
        file: HAND_OVER,
        find: "if (share.amount > room.amount || share.bytes > room.bytes) {",
        replace: "if (share.amount > 1e9 + room.amount + share.bytes + room.bytes) {",
      },
    ],
    test: { file: LOTS_TEST, name: "of files, and what an earlier attempt removed counts" },
  },
  {
    promise: "A limit holds exactly",
    edits: [{ file: HAND_OVER, find: "this.#count(lot, lot.shares.slice(0, index), -1);", replace: "" }],
    test: { file: LOTS_TEST, name: "of files of two rules in one lot" },
  },
  {
    promise: "A limit holds exactly",
    edits: [
      {
        file: HAND_OVER,
        find: "done === undefined ? lot.shares : done.untouched",
        replace: "done === undefined ? lot.shares : []",
      },
    ],
    test: { file: LOTS_TEST, name: "what was gone by then takes no room" },
  },
  {
    promise: "A sweeper acts in no directory that it does not hold",
    edits: [
      {
        file: "src/system/working-directory.ts",
        find: 'if (this.#held === held) return "";',
        replace: 'if (held.path !== "?") return "";',
      },
    ],
    test: {
      file: "test/system/working-directory.test.ts",
      name: "nothing is done in a directory that is not held any more",
    },
  },
  {
    promise: "A sweeper that is lost costs time, nothing else",
    edits: [
      {
        file: HAND_OVER,
        find: "if (effect !== undefined) known.set(one, effect);",
        replace: 'known.set(one, effect ?? { outcome: "failed", reason: "it was lost" });',
      },
    ],
    test: { file: SWEEPERS_TEST, name: "is told of, and the rest is done without it" },
  },
  {
    promise: "A sweeper that is lost costs time, nothing else",
    edits: [
      {
        file: HAND_OVER,
        find: "(await lot.open()).map((condemned) => ({ condemned }));",
        replace: "[];",
      },
    ],
    test: { file: LOTS_TEST, name: "a lot that is lost with its sweeper is removed without it" },
  },
  {
    promise: "It ends with the job, whatever ends that",
    edits: [
      {
        file: "src/system/sweep-on-order.ts",
        find: "if (count === 0) return undefined;",
        // for a while only: nobody would end it
        replace:
          "if (count === 0) return void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30_000);",
      },
    ],
    test: { file: SWEEPERS_TEST, name: "and ends with the process that called it" },
  },
  {
    promise: "No safe-shutdown takes it for somebody's process",
    edits: [{ file: "src/system/sweeper.ts", find: 'argv0: "safe-shutdown",', replace: "" }],
    test: { file: SWEEPERS_TEST, name: "a sweeper is known as one of ours" },
  },
];
