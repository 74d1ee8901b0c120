import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isAlive } from "../../demo/processes.ts";
import { cliIn, jobOf, reportOf, useApplication, useService } from "../support/application.ts";
import { DAY, HOUR, put } from "../support/hands.ts";
import { sharedRedis } from "../support/redis.ts";

const redis = sharedRedis();

/** 20 rotated logs of 100 bytes, so many of them older than a day; beside them a stale lock and two units. */
async function useLogs(limits: string, { old = 10, rule = "" } = {}): Promise<string> {
  const config = `app: scraper
locks: [{ files: "*.lock" }]
temp:
  - { files: logs/*, olderThan: 1d${rule} }
limits: ${limits}
`;
  const root = await useApplication({}, config);
  for (let n = 0; n < 20; n++) put(root, `logs/${n}`, "x".repeat(100), n < old ? 2 * DAY : HOUR);
  put(root, "stale.lock", "", DAY);
  return root;
}

async function clean(root: string, ...words: string[]) {
  const result = await cliIn(root).run(["clean --inline --keep-redis --json", ...words].join(" "));
  const report = reportOf(result);
  return { code: result.code, report, job: jobOf(report, "clean-temp-files"), left: logsIn(root) };
}

function logsIn(root: string): number {
  return readdirSync(join(root, "logs")).length;
}

describe.each([
  { kind: "files", tooLittle: "{ files: 9 }", just: "{ files: 10 }", more: "{ files: 11 }", removed: 9 },
  {
    kind: "bytes",
    tooLittle: "{ bytes: 999B }",
    just: "{ bytes: 1kB }",
    more: "{ bytes: 1.1kB }",
    removed: 9,
  },
  { kind: "share", tooLittle: "{ share: 49% }", just: "{ share: 50% }", more: "{ share: 51% }", removed: 0 },
])("limits.$kind on 10 of 20", ({ kind, tooLittle, just, more, removed }) => {
  test("just below: the job stops before the next removal, and nothing else of the run is lost", async () => {
    const root = await useLogs(tooLittle);
    const { code, report, job, left } = await clean(root, "--yes");
    expect([code, report.verdict, job.status, left]).toEqual([4, "refused", "partial", 20 - removed]);
    expect(job.reason).toMatch(new RegExp(`^limits\\.${kind} `));
    expect(job.totals.done).toBe(removed);
    expect(jobOf(report, "clean-session-locks")).toMatchObject({ status: "done", totals: { done: 1 } });
    expect(existsSync(join(root, "stale.lock"))).toBe(false);
  });

  test.each([
    { what: "exactly", limits: just },
    { what: "just above", limits: more },
  ])("$what: all of them go", async ({ limits }) => {
    const { code, left } = await clean(await useLogs(limits), "--yes");
    expect([code, left]).toEqual([0, 10]);
  });

  test("a dry run says the same, and touches nothing", async () => {
    const { code, report, job, left } = await clean(await useLogs(tooLittle), "--dry-run");
    expect([code, report.verdict, left]).toEqual([4, "refused", 20]);
    expect(job.reason).toMatch(new RegExp(`^limits\\.${kind} `));
    expect(job.totals.planned).toBe(kind === "share" ? 10 : removed);
    expect((await clean(await useLogs(just), "--dry-run")).code).toBe(0);
  });
});

describe("a share", () => {
  test("is said with its numbers, and what shows more", async () => {
    const { job } = await clean(await useLogs("{ share: 49% }"), "--yes");
    expect(job.reason).toBe(
      "limits.share (49%) is passed: 10 of the 20 candidates of logs/* would go, so nothing was removed; " +
        "--dry-run shows which",
    );
  });

  test("may be another for one rule", async () => {
    const { code, left } = await clean(await useLogs("{ share: 10% }", { rule: ", share: 50%" }), "--yes");
    expect([code, left]).toEqual([0, 10]);
  });

  test("of all, as when the clock has jumped, is stopped before the first removal", async () => {
    const { code, left } = await clean(await useLogs("{ share: 95% }", { old: 20 }), "--yes");
    expect([code, left]).toEqual([4, 20]);
  });

  test.each([
    { candidates: 9, code: 0, left: 0 },
    { candidates: 10, code: 4, left: 10 },
  ])("of $candidates candidates: exit $code", async ({ candidates, code, left }) => {
    const config = "app: scraper\ntemp: [{ files: logs/* }]\nlimits: { share: 50% }\n";
    const root = await useApplication({}, config);
    for (let n = 0; n < candidates; n++) put(root, `logs/${n}`);
    const { code: answer, left: rest } = await clean(root, "--yes");
    expect([answer, rest]).toEqual([code, left]);
  });

  test("counts what is quarantined like what is removed", async () => {
    const root = await useLogs("{ share: 49% }", { rule: ", quarantine: 7d" });
    expect(await clean(root, "--yes")).toMatchObject({ code: 4, left: 20 });
  });
});

describe("a share of what is in quarantine", () => {
  const QUARANTINE = ".safe-shutdown/quarantine/run-20260101t000000z-abcdef";

  /** So many in quarantine, the time of so many of them over; the rule itself has no limit. */
  async function useQuarantine(all: number, over: number, limits = "{ share: 50% }"): Promise<string> {
    const root = await useLogs(limits, { rule: ", share: 100%" });
    mkdirSync(join(root, QUARANTINE), { recursive: true, mode: 0o700 });
    for (let n = 0; n < all; n++) {
      const until = n < over ? "20260108T000000Z" : "29990108T000000Z";
      put(root, `${QUARANTINE}/${until}-${String(n).padStart(16, "0")}-${n}`);
    }
    return root;
  }
  const quarantinedIn = (root: string) =>
    existsSync(join(root, QUARANTINE)) ? readdirSync(join(root, QUARANTINE)).length : 0;

  test.each(["--yes", "--dry-run"])(
    "of all, as when the clock has jumped: what could be restored stays (%s)",
    async (how) => {
      const root = await useQuarantine(20, 20);
      const { code, job, left } = await clean(root, how);
      expect([code, left, quarantinedIn(root)]).toEqual([4, 20, 20]);
      expect(job.reason).toBe(
        "limits.share (50%) is passed: 20 of the 20 candidates of .safe-shutdown/quarantine would go, so nothing was " +
          "removed; --dry-run shows which",
      );
    },
  );

  test.each([
    { what: "exactly half", all: 20, over: 10, limits: "{ share: 50% }", rest: 10 },
    { what: "of few", all: 9, over: 9, limits: "{ share: 50% }", rest: 0 },
    { what: "where none is given", all: 20, over: 20, limits: "{ files: 1000 }", rest: 0 },
  ])("$what: what is over goes", async ({ all, over, limits, rest }) => {
    const root = await useQuarantine(all, over, limits);
    expect((await clean(root, "--yes")).code).toBe(0);
    expect(quarantinedIn(root)).toBe(rest);
  });
});

describe("of keys", () => {
  async function prune(limits: string, old: number) {
    const client = redis.client();
    const url = redis.server().url;
    for (let n = 0; n < 20; n++) await client.set(`tg:${n}`, "x", "PX", n < old ? DAY - 2 * HOUR : DAY);
    const config = `app: scraper
redis: { prune: [{ keys: "tg:*", olderThan: 1h, age: [{ ttl: 24h }] }] }
limits: ${limits}
`;
    const root = await useApplication({}, config);
    const result = await cliIn(root, url).run("clean prune-redis --inline --yes --json");
    return { code: result.code, job: jobOf(reportOf(result), "prune-redis"), left: await client.dbsize() };
  }

  test.each([
    {
      limits: "{ keys: 9 }",
      code: 4,
      left: 11,
      says: /^limits\.keys \(9\) is reached: 9 keys were removed$/,
    },
    { limits: "{ keys: 10 }", code: 0, left: 10 },
    {
      limits: "{ bytes: 1B }",
      code: 4,
      left: 20,
      says: /^limits\.bytes \(1B\) is reached: 0 keys were removed$/,
    },
    {
      limits: "{ share: 49% }",
      code: 4,
      left: 20,
      says: /^limits\.share \(49%\) is passed: 10 of the 20 candi/,
    },
    { limits: "{ share: 50% }", code: 0, left: 10 },
  ])("$limits on 10 of 20: exit $code", async ({ limits, code, left, says }) => {
    const answer = await prune(limits, 10);
    expect([answer.code, answer.left]).toEqual([code, left]);
    if (says !== undefined) expect(answer.job.reason).toMatch(says);
  });
});

test.each([
  { limits: "{ bytes: 5 }", says: /limits\.bytes: expected a size such as "500MB" or "2GB"/ },
  { limits: "{ bytes: 5 XB }", says: /limits\.bytes: expected a size/ },
  { limits: "{ share: 0% }", says: /limits\.share: expected a share such as "50%", of 1% to 100%/ },
  { limits: "{ share: 0.5 }", says: /limits\.share: expected a share such as "50%"/ },
  { limits: "{ share: 101% }", says: /limits\.share: expected a share/ },
])("$limits is refused", async ({ limits, says }) => {
  const root = await useApplication({}, `app: scraper\nlimits: ${limits}\n`);
  const { code, stderr } = await cliIn(root).run("check");
  expect([code, stderr]).toEqual([78, expect.stringMatching(says)]);
});

test("a shutdown whose pid files may not be removed stops every service, and looks at the system", async () => {
  const NAMES = ["one", "two", "three"];
  const service = (name: string) => `{ name: ${name}, pidFiles: pids/${name}.pid, matches: ${name}-service }`;
  const root = await useApplication(
    {},
    `app: scraper\nservices: [${NAMES.map(service).join(", ")}]\nlimits: { files: 1 }\n`,
  );
  const services = [];
  for (const name of NAMES) services.push(await useService(root, `pids/${name}.pid`, [`${name}-service`]));

  const result = await cliIn(root).run("--yes --inline --keep-redis --json");

  const report = reportOf(result);
  expect([result.code, report.verdict]).toEqual([4, "refused"]);
  expect(jobOf(report, "stop-services").reason).toBe("limits.files (1) is reached: 1 file was removed");
  expect(services.filter(({ pid }) => isAlive(pid))).toEqual([]);
  expect(readdirSync(join(root, "pids"))).toEqual(["three.pid", "two.pid"]);
  expect(report.system?.services.flatMap(({ running }) => running)).toEqual([]);
});
