import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { identify, parsePidFile } from "../../src/system/pid-file.ts";
import { type Process, readProcess } from "../../src/system/proc.ts";
import { Users } from "../../src/system/users.ts";
import { all, handsOn, put, SECOND, seen, serviceOf } from "../support/hands.ts";
import { ended, spawnIdle } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temp.ts";

const NO_PID = "it does not hold a pid";

test.each([
  { holds: "a pid", content: "4242", pid: 4242 },
  { holds: "a pid and a line end", content: "4242\n", pid: 4242 },
  { holds: "a pid between blanks, as Windows ends lines", content: "  4242\r\n", pid: 4242 },
  { holds: "the largest pid there is", content: "4194304", pid: 4_194_304 },
  { holds: "one more than the largest pid", content: "4194305", pid: undefined },
  { holds: "nothing", content: "", pid: undefined },
  { holds: "only blanks", content: " \n", pid: undefined },
  { holds: "0", content: "0\n", pid: undefined },
  { holds: "a negative number, which would signal a whole group", content: "-4242\n", pid: undefined },
  { holds: "-1, which would signal everybody", content: "-1", pid: undefined },
  { holds: "a signed number", content: "+4242", pid: undefined },
  { holds: "a huge number", content: "9".repeat(400), pid: undefined },
  { holds: "several lines", content: "4242\n4243\n", pid: undefined },
  { holds: "a number in another notation", content: "0x10", pid: undefined },
  { holds: "a fraction", content: "42.5", pid: undefined },
  { holds: "an exponent", content: "1e3", pid: undefined },
  { holds: "words after the number", content: "4242 rm -rf", pid: undefined },
  { holds: "bytes that are not UTF-8", content: Buffer.from([0xff, 0xfe, 0x34, 0x32]), pid: undefined },
  { holds: "a number and a NUL byte", content: "4242\0", pid: undefined },
  { holds: "more blanks than a pid file has bytes", content: `4242${" ".repeat(61)}`, pid: undefined },
])("a pid file that holds $holds", ({ content, pid }) => {
  expect(parsePidFile(Buffer.from(content))).toBe(pid);
});

describe("a pid file of a service", () => {
  test.each([
    { that: "is empty", content: "", reason: NO_PID },
    { that: "is huge", content: "7".repeat(1_000_000), reason: NO_PID },
    { that: "is a pid after which much more follows", content: `42${" ".repeat(100)}x`, reason: NO_PID },
    { that: "is as long as a pid file may be, and one byte", content: `42${" ".repeat(63)}`, reason: NO_PID },
    { that: "is cut off in the middle of a pid", content: `${" ".repeat(63)}42`, reason: NO_PID },
    { that: "names pid 1", content: "1\n", reason: expect.stringMatching(/^it names pid 1/) },
    {
      that: "names this very process",
      content: `${process.pid}`,
      reason: `pid ${process.pid} is safe-shutdown or its parent`,
    },
    {
      that: "names the parent of this process",
      content: `${process.ppid}`,
      reason: `pid ${process.ppid} is safe-shutdown or its parent`,
    },
  ])("is left alone when it $that", ({ content, reason }) => {
    const root = temporaryDirectory();
    put(root, "a.pid", content, 0);
    const { files, processes } = handsOn(root);

    const finding = processes.identify(seen(files, "a.pid"), serviceOf("any", { matches: /./ }));

    expect(finding).toMatchObject({ state: "unsure", reason });
  });

  test.each([
    { kind: "a FIFO", make: (path: string) => execFileSync("mkfifo", [path]) },
    { kind: "a directory", make: (path: string) => mkdirSync(path) },
    { kind: "a symbolic link to a true pid file", make: (path: string) => symlinkSync("../true.pid", path) },
    { kind: "a device", make: (path: string) => symlinkSync("/dev/zero", path) },
  ])("is left alone, without waiting, when it is $kind", async ({ make }) => {
    const root = temporaryDirectory();
    const { pid } = await spawnIdle({ words: ["celery"] });
    put(root, "true.pid", `${pid}`, 0);
    mkdirSync(join(root, "pids"));
    make(join(root, "pids/celery.pid"));
    const service = serviceOf("celery");
    const { files, processes } = handsOn(root, { services: [service] });

    expect(processes.identify(seen(files, "pids/celery.pid"), service)).toMatchObject({
      state: "unsure",
      reason: "it cannot be read as a regular file",
    });
    const [state] = await processes.survey();
    expect(state?.pidFiles.filter((finding) => finding.state !== "unsure")).toEqual([]);
  });

  test("is left alone when it was rewritten since it was looked at", async () => {
    const root = temporaryDirectory();
    const { pid } = await spawnIdle({ words: ["celery"] });
    put(root, "a.pid", "123456", 5_000);
    const { files, processes } = handsOn(root);
    const entry = seen(files, "a.pid");

    put(root, "a.pid", `${pid}`, 0);

    expect(processes.identify(entry, serviceOf("celery"))).toMatchObject({ state: "unsure" });
  });
});

describe("a pid file and the process that has its number", () => {
  async function celery(): Promise<Process> {
    const { pid } = await spawnIdle({ words: ["celery", "worker"] });
    const process = readProcess(pid);
    if (process === undefined) throw new Error("expected a process");
    return process;
  }
  const fileWrittenAt = (modifiedAtMs: number) => ({
    ...{
      path: "a.pid",
      kind: "file",
      device: 1,
      inode: 1,
      sizeBytes: 5,
      changedAtMs: 0,
      links: 1,
      freesBytes: 5,
      ownerId: 0,
    },
    ...({ modifiedAtMs } as const),
  });
  const identified = (process: Process, writtenAtMs: number, matches = /celery.*\bworker\b/) => {
    const file = { ...fileWrittenAt(writtenAtMs), kind: "file" } as const;
    return identify(file, Buffer.from(`${process.pid}\n`), {
      root: "/",
      matches: [matches],
      isOfAnyService: false,
      ...{ user: undefined, users: new Users() },
      insideContainers: () => [],
    });
  };

  test("belong together when the file was written after the process started", async () => {
    const process = await celery();
    expect(identified(process, process.startedAtMs + SECOND)).toMatchObject({ state: "running", process });
  });

  test.each([
    { slackMs: 2_000, matching: "running", other: "unsure" }, // within the slack
    { slackMs: 2_001, matching: "unsure", other: "gone" },
    { slackMs: 3_600_000, matching: "unsure", other: "gone" },
  ])(
    "when the file was written $slackMs ms before the process started: $matching if it matches, else $other",
    async ({ slackMs, matching, other }) => {
      const process = await celery();
      const writtenAtMs = process.startedAtMs - slackMs;
      // a clock that was set forward makes a live worker look like another process: nothing is proved then
      expect(identified(process, writtenAtMs).state).toBe(matching);
      expect(identified(process, writtenAtMs, /flower/).state).toBe(other);
    },
  );

  test("when the process is older but something else: nothing is proved", async () => {
    const process = await celery();
    const finding = identified(process, process.startedAtMs + SECOND, /flower/);
    expect(finding).toMatchObject({
      state: "unsure",
      reason: `pid ${process.pid} is alive and its command line does not match`,
    });
  });

  test("when the number is free again, the process is proved gone", async () => {
    const { pid, child } = await spawnIdle();
    child.kill("SIGKILL");
    await ended(child);
    const file = { ...fileWrittenAt(Date.now()), kind: "file" } as const;
    expect(
      identify(file, Buffer.from(`${pid}`), {
        ...{ root: "/", matches: [], isOfAnyService: true, user: undefined, users: new Users() },
        insideContainers: () => [],
      }),
    ).toMatchObject({
      state: "gone",
      reason: `pid ${pid} has ended`,
    });
  });
});

test("a pid file in a directory is found with its finding", async () => {
  const root = temporaryDirectory();
  const { pid } = await spawnIdle({ words: ["celery"] });
  put(root, "pids/celery.pid", `${pid}\n`, 0);
  const { files } = handsOn(root);
  expect(await all(files.find([{ patterns: ["pids/*.pid"] }]))).toMatchObject([{ path: "pids/celery.pid" }]);
});
