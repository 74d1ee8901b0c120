import { describe, expect, test } from "vitest";
import type { Item, JobReport, RunReport, System } from "../../src/report/report.ts";
import { noTotals } from "../../src/report/report.ts";
import { type Palette, renderReport } from "../../src/report/text.ts";

const same = (text: string) => text;
const plain: Palette = { bold: same, dim: same, red: same, green: same, yellow: same };

function render(changes: Partial<RunReport> = {}, verbose = false): string {
  const report: RunReport = {
    version: 1,
    run: "run-1",
    flow: "shutdown",
    mode: "apply",
    engine: "queue",
    app: "scraper",
    verdict: "done",
    startedAt: "2026-01-01T00:00:00.000Z",
    durationMs: 1_500,
    hosts: ["h1"],
    unreachable: [],
    jobs: [],
    system: null,
    nextSteps: [],
    ...changes,
  };
  return renderReport(report, { palette: plain, verbose });
}

function job(items: readonly Item[], changes: Partial<JobReport> = {}): JobReport {
  const totals = noTotals();
  for (const { outcome } of items) totals[outcome] += 1;
  const common = { job: "clean-temp-files", host: "h1", status: "done", durationMs: 5 } as const;
  return { ...common, totals, items, truncated: false, ...changes };
}

const system: System = {
  services: [
    { name: "beat", running: [] },
    { name: "workers", running: [{ pid: 7 }, { pid: 8, host: "h2", stray: true }] },
  ],
  redis: { reachable: true, usedMemoryBytes: 1_500_000 },
  locks: [{ file: "a.lock", ageMs: 3_600_000, holder: "pid 7 (flock)" }],
  session: { file: "tg.session", present: true, ageDays: 1 },
  disk: { freeBytes: 1_000_000_000, totalBytes: 4_000_000_000 },
};

test("a run is told line by line", () => {
  const items: Item[] = [
    { target: "a.pyc", outcome: "done" },
    { target: "b.log.1", outcome: "kept", reason: "only 1d old" },
    { target: "c.pyc", outcome: "failed", reason: "EACCES" },
  ];
  const text = render({
    verdict: "partial",
    jobs: [
      job(items, { status: "partial", totals: { ...noTotals(), done: 1, kept: 1, failed: 1, bytes: 2_000 } }),
    ],
    system,
    unreachable: ["h9"],
    nextSteps: ["./start.sh"],
  });
  expect(text).toBe(`scraper on h1: shutdown: partial in 1s (run-1)

clean-temp-files  partial
  ✓ a.pyc
  ✗ c.pyc  EACCES
  · b.log.1  only 1d old

Service   beat: stopped
Service   workers: running, pid 7, 8 on h2 (stray)
Redis     preserved and reachable, 1.5 MB used
Session   tg.session preserved, 1 day old
Locks     1 left
          a.lock  1h old, held by pid 7 (flock)
Disk      1.0 GB of 4.0 GB free

Totals    1 done (2.0 kB freed), 1 kept, 0 changed meanwhile, 1 failed
Unreachable    h9
`);
});

test("of several hosts it is told which host is meant, and where nobody looked", () => {
  const { locks, ...rest } = system;
  const text = render({
    hosts: ["h1", "h2", "h3"],
    unreachable: ["h3"],
    system: {
      ...{ ...rest, locks: [], host: "h1", others: [{ ...rest, locks, session: null, host: "h2" }] },
      services: [
        { name: "beat", running: [], stoppedOn: ["h1", "h2"], unknownOn: ["h3"] },
        { name: "workers", running: [{ pid: 8, host: "h2" }], stoppedOn: ["h1"], unknownOn: ["h3"] },
        { name: "flower", running: [], stoppedOn: ["h1", "h2"], unknownOn: [] },
      ],
    },
  });
  expect(text.slice(text.indexOf("Service"), text.indexOf("\n\nTotals"))).toBe(`\
Service   beat: stopped on h1, h2; unknown on h3
Service   workers: running, pid 8 on h2; stopped on h1; unknown on h3
Service   flower: stopped
Redis     h1: preserved and reachable, 1.5 MB used
Session   h1: tg.session preserved, 1 day old
Locks     h1: none
Disk      h1: 1.0 GB of 4.0 GB free
Redis     h2: preserved and reachable, 1.5 MB used
Locks     h2: 1 left
          a.lock  1h old, held by pid 7 (flock)
Disk      h2: 1.0 GB of 4.0 GB free`);
});

test("many hosts are counted", () => {
  const unknownOn = Array.from({ length: 11 }, (_, n) => `h${n}`);
  const services = [{ name: "beat", running: [], stoppedOn: ["a"], unknownOn }];
  expect(render({ system: { ...system, services } })).toContain("beat: stopped on a; unknown on 11 hosts\n");
});

test("what to do next is said when everything was done, and not before", () => {
  const nextSteps = ["./start.sh"];
  expect(render({ verdict: "done", nextSteps })).toContain("\nNext steps\n  ./start.sh\n");
  expect(render({ verdict: "partial", nextSteps })).not.toContain("start.sh");
});

test("a dry run says that nothing was touched, what there is to do, and no next steps", () => {
  const text = render({
    mode: "plan",
    jobs: [job([{ target: "a", outcome: "planned" }])],
    nextSteps: ["./start.sh"],
  });
  expect(text).toContain("shutdown, dry run: nothing was touched: done");
  expect(text).toContain("1 to do (0 B to be freed)");
  expect(text).not.toContain("start.sh");
});

describe("of many items", () => {
  const many = (outcome: Item["outcome"], amount: number) =>
    Array.from({ length: amount }, (_, i) => ({ target: `t${i}`, outcome, reason: "why" }));
  const shownOf = (text: string) => text.split("\n").filter((line) => /^ {2}. t\d+/.test(line)).length;

  test.each([
    { amount: 12, shown: 12, more: undefined },
    { amount: 13, shown: 12, more: "1 more kept (-v shows them)" },
    { amount: 400, shown: 12, more: "388 more kept (-v shows them)" },
  ])("$amount kept: $shown are shown", ({ amount, shown, more }) => {
    const text = render({ jobs: [job(many("kept", amount))] });
    expect(shownOf(text)).toBe(shown);
    if (more === undefined) expect(text).not.toContain("-v shows them");
    else expect(text).toContain(more);
  });

  test("all that failed are shown, and all of all when asked", () => {
    expect(shownOf(render({ jobs: [job(many("failed", 40))] }))).toBe(40);
    expect(shownOf(render({ jobs: [job(many("kept", 40))] }, true))).toBe(40);
  });

  test("a truncated report says so", () => {
    expect(render({ jobs: [job([], { truncated: true })] })).toContain("keeps the first of each outcome");
  });
});

describe("a hostile name", () => {
  const forged = "a.lock\n  ✗ data/all.db  removed\r\x1b[2J\x1b[31m\u202e\x9b1A";
  const hostile: [string, Partial<RunReport>][] = [
    ["of a target", { jobs: [job([{ target: forged, outcome: "done" }])] }],
    ["in a reason", { jobs: [job([{ target: "a", outcome: "failed", reason: forged }])] }],
    ["in the reason of a job", { jobs: [job([], { status: "failed", reason: forged })] }],
    ["of a job", { jobs: [job([], { job: forged })] }],
    ["of the host of a job", { hosts: ["h1", "h2"], jobs: [job([], { host: forged })] }],
    ["of a host", { hosts: [forged] }],
    ["of an unreachable host", { unreachable: [forged] }],
    ["of a run", { run: forged }],
    ["of a flow", { flow: forged }],
    ["of an application", { app: forged }],
    [
      "of a service",
      { system: { ...system, services: [{ name: forged, running: [{ pid: 1, host: forged }] }] } },
    ],
    [
      "of a host where a service is stopped, or unknown",
      {
        system: {
          ...{ ...system, host: forged, others: [{ ...system, host: forged }] },
          services: [{ name: "a", running: [], stoppedOn: [forged], unknownOn: [forged] }],
        },
      },
    ],
    ["of a lock", { system: { ...system, locks: [{ file: forged, ageMs: 1, holder: forged }] } }],
    ["of a session", { system: { ...system, session: { file: forged, present: false } } }],
    [
      "in the advice on a session",
      { system: { ...system, session: { file: "a", present: true, advice: forged } } },
    ],
    ["in what Redis said", { system: { ...system, redis: { reachable: false, reason: forged } } }],
    ["in a next step", { nextSteps: [forged] }],
  ];

  test.each(hostile)("%s forges no line and sends no escape", (_where, changes) => {
    const harmless = JSON.parse(JSON.stringify(changes).replaceAll(JSON.stringify(forged).slice(1, -1), "x"));
    const text = render(changes);
    expect(text.split("\n")).toHaveLength(render(harmless).split("\n").length);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    expect(text).toContain("\\x1b[2J");
  });
});

test.each([
  { session: { file: "a", present: false }, line: "Session   a is missing" },
  { session: { file: "a", present: true, ageDays: 0 }, line: "Session   a preserved, 0 days old" },
  {
    session: { file: "a", present: true, ageDays: 15, advice: "renew it soon" },
    line: "Session   a preserved, 15 days old: renew it soon",
  },
])("$line", ({ session, line }) => {
  expect(render({ system: { ...system, session } }).split("\n")).toContain(line);
});

test("a lock that could not be looked at is told with the reason", () => {
  const locks = [{ file: "closed", ageMs: null, holder: "cannot be read: EACCES" }];
  expect(render({ system: { ...system, locks } })).toContain("closed  cannot be read: EACCES\n");
});

test("without locks and without Redis that is said", () => {
  const text = render({
    system: { ...system, locks: [], redis: { reachable: false, reason: "away" }, session: null },
  });
  expect(text).toContain("Locks     none\n");
  expect(text).toContain("Redis     away\n");
  expect(text).not.toContain("Session");
});

describe("a stray", () => {
  const command = "python3 migrate_api_db.py";
  const stray = { stray: true, command } as const;
  const line = "api (pid 7), stray without a pid file: python3 migrate_api_db.py";

  test.each(["planned", "done", "kept", "failed"] as const)("that is %s is called one", (outcome) => {
    const item = { target: "api (pid 7)", outcome, reason: "SIGKILL to 1 process", ...stray };
    expect(render({ jobs: [job([item])] })).toContain(` ${line}  SIGKILL to 1 process\n`);
  });

  test("is shown before all others, however many these are", () => {
    const others = Array.from(
      { length: 30 },
      (_, n): Item => ({ target: `api (pid ${n})`, outcome: "planned" }),
    );
    const text = render({
      jobs: [job([...others, { target: "api (pid 7)", outcome: "planned", ...stray }])],
    });
    expect(text).toContain(`${line}\n  + api (pid 0)\n`);
    expect(text).toContain("18 more planned");
  });

  test("is listed with its command line where the system is shown, as before the question", () => {
    const services = [{ name: "api", running: [{ pid: 6 }, { pid: 7, ...stray }] }];
    expect(render({ system: { ...system, services } })).toContain(
      "Service   api: running, pid 6, 7 (stray: python3 migrate_api_db.py)\n",
    );
  });

  test("forges no line with its command line", () => {
    const evil = { stray: true, command: "api\n✓ all done\x1b[2J" } as const;
    const text = render({
      jobs: [job([{ target: "api (pid 7)", outcome: "planned", ...evil }])],
      system: { ...system, services: [{ name: "api", running: [{ pid: 7, ...evil }] }] },
    });
    expect(text.split("api\\x0a✓ all done\\x1b[2J")).toHaveLength(3);
  });
});
