import { expect, test } from "vitest";
import { loadText, problemsOf } from "./workshop.ts";

/** The problems of one line added to a config that is otherwise right. */
async function problemsWith(line: string): Promise<string[]> {
  const problems = await problemsOf(loadText(line.startsWith("app:") ? line : `app: a\n${line}`));
  return problems.map(({ path, message, hint }) => {
    const text = `${path}: ${message.replace(/ \(safe-shutdown.yaml:\d+\)$/, "")}`;
    return hint === undefined ? text : `${text} — ${hint}`;
  });
}

const DURATION = 'a duration such as "90s", "5m", "7d" or "1h30m"';
const AGES =
  "idle, { ttl: 24h }, { json: date_done }, { value: epoch }, { keyPart: 2 }, { field: updated_at }, score or lastId";

test.each([
  { line: "stageDeadline: 5x", says: `stageDeadline: expected ${DURATION}, got "5x"` },
  { line: "stageDeadline: 5", says: `stageDeadline: expected ${DURATION}, got 5 — write the unit too: 5s` },
  { line: "stageDeadline:", says: `stageDeadline: expected ${DURATION}, got nothing` },
  { line: "limits: { files: 0 }", says: "limits.files: expected a number above 0, got 0" },
  { line: "limits: { keys: 1.5 }", says: "limits.keys: expected a whole number, got 1.5" },
  { line: "nextSteps: x", says: 'nextSteps: expected a list, got "x"' },
  { line: "nextStep: []", says: "nextStep: unknown key `nextStep` — did you mean `nextSteps`?" },
  { line: "next_steps: []", says: "next_steps: unknown key `next_steps` — did you mean `nextSteps`?" },
  { line: "locks: [{ files: 5 }]", says: "locks[0].files: expected a glob, or a list of globs, got 5" },
  {
    line: "locks: [{ files: [] }]",
    says: "locks[0].files: expected a list of at least one entry, got an empty list",
  },
  {
    line: "locks: [{ files: [a, ../b] }]",
    says: 'locks[0].files[1]: expected a glob relative to the root, without a leading "/" and without "..", got "../b"',
  },
  { line: "locks: [{}]", says: "locks[0].files: is missing: expected a glob, or a list of globs" },
  { line: "locks: [{ file: x }]", says: "locks[0].file: unknown key `file` — did you mean `files`?" },
  {
    line: "locks: [{ files: x, zebra: 1 }]",
    says: "locks[0].zebra: unknown key `zebra` — known here: `files`, `olderThan`, `quarantine` and `share`",
  },
  { line: "temp: [{ file: x }]", says: "temp[0].file: unknown key `file` — did you mean `files`?" },
  {
    line: "temp: [{ files: a, directories: b }]",
    says: "temp[0]: expected only one of `directories` and `files`, got a mapping with `files` and `directories`",
  },
  {
    line: "temp: [{ pidFiles: x, olderThan: 5m }]",
    says: "temp[0].olderThan: unknown key `olderThan` — known here: `pidFiles`",
  },
  {
    line: "temp: [{}]",
    says: "temp[0]: expected a mapping with one of files, directories and pidFiles, got an empty mapping",
  },
  {
    line: "services: [{ name: w, pidFiles: a.pid, matches: worker, user: -1 }]",
    says: "services[0].user: expected a number of at least 0, got -1",
  },
  {
    line: "services: [{ name: w, pidFiles: a.pid, matches: worker, user: '-u root' }]",
    says: 'services[0].user: expected the name of a user, or a uid, got "-u root"',
  },
  {
    line: "services: [{ name: w, pidFiles: a.pid, matches: worker, user: [app] }]",
    says: "services[0].user: expected the name of a user, or a uid, got a list",
  },
  {
    line: "temp: [x]",
    says: 'temp[0]: expected a mapping with one of files, directories and pidFiles, got "x"',
  },
  { line: "temp: [{ files: x, olderThan: 5x }]", says: `temp[0].olderThan: expected ${DURATION}, got "5x"` },
  {
    line: "schedule: [{ name: s, run: stop, cron: '* * * * *' }]",
    says: 'schedule[0].run: expected "clean", got "stop"',
  },
  {
    line: "schedule: [{ name: s, run: clean, jobs: [prune-rediss], cron: '* * * * *' }]",
    says:
      'schedule[0].jobs[0]: expected "clean-session-locks", "prune-redis" or "clean-temp-files", got "prune-rediss"' +
      " — did you mean `prune-redis`?",
  },
  { line: "app: a:b", says: /^app: expected a name of letters/ },
  { line: "app: 5", says: "app: expected a text, got 5" },
  {
    line: "redis: { url: http://h }",
    says: /^redis.url: expected a URL such as redis:.*, got something else — /,
  },
  { line: "redis: { url: redis:///0 }", says: /^redis.url: expected a URL/ },
  { line: "redis: { url: redis://h/x }", says: /^redis.url: expected a URL/ },
])("$line", async ({ line, says }) => {
  expect(await problemsWith(line)).toEqual([typeof says === "string" ? says : expect.stringMatching(says)]);
});

test.each([
  { age: "[]", at: "age", says: "expected a list of at least one entry, got an empty list" },
  { age: "[idel]", at: "age[0]", says: `expected ${AGES}, got "idel" — did you mean \`idle\`?` },
  { age: "[{ ttl: 5 }]", at: "age[0].ttl", says: `expected ${DURATION}, got 5 — write the unit too: 5s` },
  { age: "[{ foo: 1 }]", at: "age[0]", says: `expected ${AGES}, got a mapping with \`foo\`` },
  { age: "[{ jsn: x }]", at: "age[0].jsn", says: "unknown key `jsn` — did you mean `json`?" },
  {
    age: "[{ ttl: 1h, json: x }]",
    at: "age[0]",
    says: "expected only one of `json` and `ttl`, got a mapping with `ttl` and `json`",
  },
])("age: $age", async ({ age, at, says }) => {
  const rule = `redis: { prune: [{ keys: "x:*", olderThan: 1d, age: ${age} }] }`;
  expect(await problemsWith(rule)).toEqual([`redis.prune[0].${at}: ${says}`]);
});

test("a setting with several mistakes has each of them reported at its own key", async () => {
  const setting = "{ setting: x, unit: q, defalt: 5m, times: 0 }";
  expect(
    await problemsWith(`redis: { prune: [{ keys: "x:*", olderThan: ${setting}, age: [idle] }] }`),
  ).toEqual([
    expect.stringMatching(/^redis.prune\[0\].olderThan.setting: expected a file and a JSON pointer/),
    'redis.prune[0].olderThan.unit: expected "ms", "s", "m", "h" or "d", got "q"',
    "redis.prune[0].olderThan.times: expected a number above 0, got 0",
    "redis.prune[0].olderThan.defalt: unknown key `defalt` — did you mean `default`?",
  ]);
});
