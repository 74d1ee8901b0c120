import type { Mechanism } from "./mechanism.ts";

const QUOTA = "src/system/quota.ts";
const RUN_JOB = "src/flow/run-job.ts";
const PAGE = "src/system/prune-script.ts";
const TEST = "test/cli/limits.test.ts";

/** Section "Limits" of docs/safety.md. */
export const LIMITS: readonly Mechanism[] = [
  {
    promise: "One job removes at most",
    edits: [
      {
        file: QUOTA,
        find: "if (amount > room.amount || bytes > room.bytes) throw this.refusal(amount, rule);",
        replace: "",
      },
    ],
    test: { file: TEST, name: "just below: the job stops before the next removal" },
  },
  {
    promise: "One job removes at most",
    edits: [{ file: QUOTA, find: "amount > room.amount ||", replace: "amount >= room.amount ||" }],
    test: { file: TEST, name: ": all of them go" },
  },
  {
    promise: "One job removes at most",
    edits: [{ file: PAGE, find: "if removed >= room then return keep('limit') end", replace: "" }],
    test: { file: "test/system/keyspace.test.ts", name: "a limit" },
  },
  {
    promise: "One job removes at most",
    edits: [
      {
        file: PAGE,
        find: "if room_bytes and bytes + size > room_bytes then return keep('limit') end",
        replace: "",
      },
    ],
    test: { file: "test/system/keyspace.test.ts", name: "what 3 keys take, leaves" },
  },
  {
    promise: "One job removes at most",
    edits: [{ file: "src/system/key-room.ts", find: "amount - this.#lent", replace: "amount" }],
    test: { file: "test/system/key-room.test.ts", name: "what may be removed is lent once" },
  },
  {
    promise: "A rule of which suddenly everything matches",
    edits: [
      {
        file: RUN_JOB,
        find: 'if (task.mode === "plan" || !isShareLimited(task, config)) return undefined;',
        replace: 'if (task.mode === "plan" || task.run !== "") return undefined;',
      },
    ],
    test: { file: TEST, name: "of all, as when the clock has jumped, is stopped before the first removal" },
  },
  {
    promise: "A clock that jumped does not empty the quarantine",
    edits: [{ file: "src/system/files.ts", find: "quota.looked(rule);", replace: "" }],
    test: { file: TEST, name: "of all, as when the clock has jumped: what could be restored stays" },
  },
  {
    promise: "A clock that jumped does not empty the quarantine",
    edits: [{ file: RUN_JOB, find: "[...temp, quarantine]", replace: "temp" }],
    test: { file: TEST, name: "of all, as when the clock has jumped: what could be restored stays" },
  },
  {
    promise: "Few candidates are no landslide",
    edits: [{ file: QUOTA, find: "const SHARE_FLOOR = 10;", replace: "const SHARE_FLOOR = 9;" }],
    test: { file: TEST, name: " candidates: exit " },
  },
  {
    promise: "Few candidates are no landslide",
    edits: [{ file: QUOTA, find: "const SHARE_FLOOR = 10;", replace: "const SHARE_FLOOR = 11;" }],
    test: { file: TEST, name: " candidates: exit " },
  },
  {
    promise: "A limit costs nothing but the job",
    edits: [
      {
        file: RUN_JOB,
        find: 'if (code === "refused") return { status: "partial", reason, refused: true };',
        replace: "",
      },
    ],
    test: { file: TEST, name: "nothing else of the run is lost" },
  },
  {
    promise: "A dry run refuses what an apply would refuse",
    edits: [
      {
        file: RUN_JOB,
        find: 'mode === "plan" ? world.landslide() : undefined',
        replace: "mode === undefined ? world.landslide() : undefined",
      },
    ],
    test: { file: TEST, name: "a dry run says the same, and touches nothing" },
  },
];
