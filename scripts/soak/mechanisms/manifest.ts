import type { Mechanism } from "./mechanism.ts";

const MANIFEST = "src/system/manifest.ts";
const READER = "src/system/manifest-reader.ts";
const OWN = "src/system/own-directory.ts";
const ROTATION = "src/system/manifest-rotation.ts";
const QUARANTINE = "src/system/quarantine.ts";
const PUT_BACK = "src/system/put-back.ts";
const REMOVAL = "src/system/removal.ts";
const TEST = "test/system/manifest.test.ts";
const OF_QUARANTINE = "test/system/quarantine.test.ts";
const AND_DEATH = "test/system/manifest-and-death.test.ts";

/** Section "Manifest and quarantine" of docs/safety.md. */
export const MANIFEST_AND_QUARANTINE: readonly Mechanism[] = [
  {
    promise: "What was removed is in a manifest on disk",
    edits: [
      {
        file: REMOVAL,
        find: "await manifest.record(lines);",
        replace: "setTimeout(() => void manifest.record(lines), 20);",
      },
    ],
    test: { file: AND_DEATH, name: "unlinkSync" },
  },
  {
    promise: "What was removed is in a manifest on disk",
    edits: [{ file: MANIFEST, find: "await syncData(this.#descriptor);", replace: "" }],
    test: { file: AND_DEATH, name: "fdatasync" },
  },
  {
    promise: "What cannot be written down is not removed",
    edits: [
      {
        file: MANIFEST,
        find: "in the middle of a line\n      throw refusal(this.#name, reasonOf(error), error);",
        replace: "in the middle of a line",
      },
    ],
    test: { file: TEST, name: "nothing is removed when the disk has no room for the manifest" },
  },
  {
    promise: "The manifest is no way in",
    edits: [{ file: OWN, find: 'if (stats.isSymbolicLink()) return "it is a symbolic link";', replace: "" }],
    test: { file: TEST, name: "a link to a directory" },
  },
  {
    promise: "The manifest is no way in",
    edits: [{ file: OWN, find: "if (stats.uid !== userId)", replace: "if (userId === -1)" }],
    test: { file: TEST, name: "a directory of somebody else" },
  },
  {
    promise: "The manifest is no way in",
    edits: [{ file: OWN, find: "if ((mode & 0o077) !== 0)", replace: "if (mode < 0)" }],
    test: { file: TEST, name: "a directory that others may enter" },
  },
  {
    promise: "The manifest is no way in",
    edits: [
      { file: OWN, find: 'if (expected === "file" && stats.nlink !== 1)', replace: "if (stats.nlink < 0)" },
    ],
    test: { file: TEST, name: "a manifest that is a hard link" },
  },
  {
    promise: "The manifest is no way in",
    edits: [
      {
        file: MANIFEST,
        find: "if (obstacle === undefined) return descriptor;",
        replace: "if (obstacle !== '') return descriptor;",
      },
      {
        file: READER,
        find: "if (obstacle === undefined) return readLines(descriptor);",
        replace: "if (obstacle !== '') return readLines(descriptor);",
      },
    ],
    test: { file: TEST, name: "a manifest that others may write" },
  },
  {
    promise: "The manifest is no way in",
    edits: [
      { file: MANIFEST, find: "O_APPEND | O_CREAT | O_NOFOLLOW", replace: "O_APPEND | O_CREAT" },
      { file: READER, find: "constants.O_NOFOLLOW | ", replace: "" },
    ],
    test: { file: TEST, name: "a manifest that is a link" },
  },
  {
    promise: "The manifest is no way in",
    edits: [
      {
        file: "src/system/directory.ts",
        find: 'if (mountOf(held.fd) !== this.#rootMount) throw new DirectoryChanged("it is on another file system");',
        replace: "",
      },
    ],
    test: { file: TEST, name: "a mount" },
  },
  {
    promise: "A line that a crash cut off spoils no other",
    edits: [
      {
        file: MANIFEST,
        find: 'if (!endsWithLine(descriptor)) writeAll(descriptor, Buffer.from("\\n"));',
        replace: "",
      },
    ],
    test: { file: TEST, name: "a line that an older one left torn spoils no other" },
  },
  {
    promise: "No rule reaches it",
    edits: [
      {
        file: "src/system/walk.ts",
        find: 'if (held.path === "" && child.name === OWN_DIRECTORY) continue;',
        replace: "",
      },
    ],
    test: { file: TEST, name: "no rule reaches it" },
  },
  {
    promise: "It does not grow for ever",
    edits: [{ file: ROTATION, find: "index < MANIFESTS_KEPT && nowMs", replace: "nowMs" }],
    test: { file: TEST, name: "go by their number" },
  },
  {
    promise: "It does not grow for ever",
    edits: [{ file: ROTATION, find: " && nowMs - modifiedAtMs < MANIFEST_MAX_AGE_MS", replace: "" }],
    test: { file: TEST, name: "go by their age" },
  },
  {
    promise: "It does not grow for ever",
    edits: [
      {
        file: ROTATION,
        find: "{ throwIfNoEntry: false }) !== undefined) continue;",
        replace: "{ throwIfNoEntry: false }) === null) continue;",
      },
    ],
    test: { file: TEST, name: "stay as long as their run" },
  },
  {
    promise: "What is moved is what was looked at",
    edits: [
      {
        file: QUARANTINE,
        find: "if (isSameMoved(entry, moved)) {",
        replace: "if (isSameMoved(entry, entry)) {",
      },
    ],
    test: { file: OF_QUARANTINE, name: "turns out to be another by then" },
  },
  {
    promise: "What is moved is what was looked at",
    edits: [
      {
        file: "src/system/evidence.ts",
        find: "return entry.modifiedAtMs === now.modifiedAtMs && entry.sizeBytes === now.sizeBytes;",
        replace: "return true;",
      },
    ],
    test: { file: OF_QUARANTINE, name: "is rewritten at the last moment" },
  },
  {
    promise: "What cannot be moved is kept",
    edits: [{ file: QUARANTINE, find: 'if (code === "EXDEV") {', replace: 'if (code === "never") {' }],
    test: { file: OF_QUARANTINE, name: "stays when the kernel cannot move it" },
  },
  {
    promise: "What cannot be moved is kept",
    edits: [
      {
        file: QUARANTINE,
        find: 'if (code === "ENOENT" && lstatSync',
        replace: 'if (code === "never" && lstatSync',
      },
    ],
    test: { file: OF_QUARANTINE, name: "stays when the quarantine goes at the last moment" },
  },
  {
    promise: "What is restored is as it was",
    edits: [
      { file: PUT_BACK, find: "import { linkSync,", replace: "import { copyFileSync, linkSync," },
      {
        file: PUT_BACK,
        find: "if (!isSameFile(from, to)) linkSync(from, to);",
        replace: "copyFileSync(from, to, 1);",
      },
    ],
    test: {
      file: OF_QUARANTINE,
      name: "whatever the tree: what is moved to quarantine and restored is as it was",
    },
  },
  {
    promise: "Restoring never overwrites",
    edits: [
      {
        file: PUT_BACK,
        find: "if (!isSameFile(from, to)) linkSync(from, to);",
        replace: `try {
          linkSync(from, to);
        } catch {
          return renameSync(from, to);
        }`,
      },
    ],
    test: { file: OF_QUARANTINE, name: "restoring does not overwrite what comes there at the last moment" },
  },
  {
    promise: "Restoring follows no link",
    edits: [
      { file: "src/system/directory.ts", find: " | constants.O_NOFOLLOW;", replace: ";" },
      {
        file: "src/system/directory.ts",
        find: "if (!this.#isProved(held)) throw",
        replace: "if (held.fd < 0) throw",
      },
    ],
    test: { file: "test/cli/restore.test.ts", name: "a directory that became a link is not followed" },
  },
  {
    promise: "A dry run writes nothing",
    edits: [
      { file: REMOVAL, find: 'if (mode === "plan") return {', replace: "if (mode === undefined) return {" },
    ],
    test: { file: TEST, name: "neither a plan nor a run that finds nothing to remove leaves one" },
  },
];
