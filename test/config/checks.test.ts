import { describe, expect, test } from "vitest";
import { loadText, problemsOf } from "./workshop.ts";

const SERVICE = "services: [{ name: beat, pidFiles: b.pid, matches: beat }";

describe("refused", () => {
  test.each([
    {
      because: "two services have one name",
      yaml: `${SERVICE}, { name: beat, pidFiles: c.pid, matches: b }]`,
      at: "services[1].name",
    },
    {
      because: "two schedule entries have one name",
      yaml: 'schedule: [{ name: s, run: clean, cron: "* * * * *" }, { name: s, run: clean, cron: "* * * * *" }]',
      at: "schedule[1].name",
    },
    {
      because: "unlessRunning names no service",
      yaml: `${SERVICE}]\ntemp: [{ files: x, unlessRunning: baet }]`,
      at: "temp[0].unlessRunning",
    },
    {
      because: "advice would come after the warning",
      yaml: "session: { file: s, adviseAfter: 31d }",
      at: "session.adviseAfter",
    },
    {
      because: "the warning would come before advice",
      yaml: "session: { file: s, warnAfter: 13d }",
      at: "session.warnAfter",
    },
    { because: "a glob is not closed", yaml: "locks: [{ files: 'a[b' }]", at: "locks[0].files" },
    { because: "what is preserved is not closed", yaml: "preserve: [a, 'b{c,d']", at: "preserve[1]" },
    {
      because: "keys of unknown age would go at once",
      yaml: 'redis: { prune: [{ keys: "x:*", olderThan: 0s, age: [idle], withoutTtl: expire }] }',
      at: "redis.prune[0].olderThan",
    },
  ])("when $because", async ({ yaml, at }) => {
    expect((await problemsOf(loadText(`app: a\n${yaml}`))).map(({ path }) => path)).toEqual([at]);
  });

  test.each([
    "*",
    "**",
    "**/*",
    "*/*",
    "*.*",
    "*/**",
    "**/*.*",
    "*/*/*.*",
    "????",
    "!x",
    "{*,a}",
    "[a-z]*",
    "./*",
    "+(*)",
  ])("when a rule for %s would match whatever there is", async (glob) => {
    const yaml = `app: a\nlocks: [{ files: ["a.lock", "${glob}"] }]\ntemp: [{ files: "${glob}" }, { directories: "${glob}" }]`;
    const problems = await problemsOf(loadText(yaml));
    expect(problems.map(({ path }) => path)).toEqual([
      "locks[0].files[1]",
      "temp[0].files",
      "temp[1].directories",
    ]);
  });

  test.each([".*", ".", "\\\\w", "|beat", "^", "beat|"])(
    "when the expression %s proves nothing",
    async (expression) => {
      const yaml = `app: a\nservices: [{ name: beat, pidFiles: b.pid, matches: "${expression}" }]`;
      expect(await problemsOf(loadText(yaml))).toMatchObject([{ path: "services[0].matches" }]);
    },
  );

  test.each([
    "61 * * * *",
    "* * * *",
    "* * * * * * *",
    "x",
    "0 0 31 2 *",
    "0 0 30 2 *",
    "0 0 31 4,6 *",
    "0 0 31W 2 *",
    "0 0 30W 2 *",
    "0 0 31W 4 *",
    "0 0 29 2 0#1",
    "0 0 1 1 1#2",
    "0 0 31 12 1#1",
    "0 0 * * 8",
    "@never",
    "*/15 *9999999 * * *", // a range of 600 million hours
  ])("when the cron expression %s has no time", async (cron) => {
    const yaml = `app: a\nschedule: [{ name: s, run: clean, cron: "${cron}" }]`;
    expect(await problemsOf(loadText(yaml))).toMatchObject([{ path: "schedule[0].cron" }]);
  });

  test.each(["Europe/Berln", "Mars", "UTC+25"])("when the time zone %s does not exist", async (timezone) => {
    const yaml = `app: a\nschedule: [{ name: s, run: clean, cron: "0 0 * * *", timezone: ${timezone} }]`;
    expect(await problemsOf(loadText(yaml))).toMatchObject([{ path: "schedule[0].timezone" }]);
  });
});

describe("accepted", () => {
  test.each([
    "session: { file: s, adviseAfter: 30d }",
    "session: { file: s, adviseAfter: 14d, warnAfter: 14d }",
    `${SERVICE}]\ntemp: [{ files: x, unlessRunning: beat }]`,
    'temp: [{ files: "tmp/**" }, { files: "**/*.tmp" }, { directories: "**/cache" }, { files: "a*" }]',
    'redis: { prune: [{ keys: "x:*", olderThan: 0s, age: [idle] }] }',
    'redis: { prune: [{ keys: "x:*", olderThan: 1s, age: [idle], withoutTtl: expire }] }',
    'schedule: [{ name: s, run: clean, cron: "0 0 29 2 *", timezone: Europe/Berlin }]',
    'schedule: [{ name: s, run: clean, cron: "0 0 29 2 6#5" }, { name: t, run: clean, cron: "0 0 29 2 1" }]', // in 2048, 2044
    'schedule: [{ name: s, run: clean, cron: "0 0 31W,15 2 *" }, { name: t, run: clean, cron: "0 0 L-28 2 *" }]',
    'schedule: [{ name: s, run: clean, cron: "*/10 * * * * *" }, { name: t, run: clean, cron: "@daily" }]',
  ])("%s", async (yaml) => {
    await expect(loadText(`app: a\n${yaml}`)).resolves.toBeDefined();
  });
});

test("the service meant is suggested, or all are named", async () => {
  const hintFor = async (name: string) =>
    (await problemsOf(loadText(`app: a\n${SERVICE}]\ntemp: [{ files: x, unlessRunning: ${name} }]`)))[0]
      ?.hint;
  expect(await hintFor("baet")).toBe("did you mean `beat`?");
  expect(await hintFor("flower")).toBe("services here: beat");
});
