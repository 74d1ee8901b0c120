import { expect, test } from "vitest";
import { commandText } from "../../src/report/command.ts";

test.each([
  { line: "python3 migrate_api_db.py", shown: "python3 migrate_api_db.py" },
  { line: "python3 tokens.py run --fast", shown: "python3 tokens.py run --fast" },
  { line: "api redis://app:hunter2@db/0 -v", shown: "api redis://app:***@db/0 -v" },
  { line: "api --db-password hunter2 -v", shown: "api --db-password *** -v" },
  { line: "api --password=-hunter2 -v", shown: "api --password=*** -v" },
  { line: "api --password my hunter2 -v", shown: "api --password *** -v" },
  { line: "java -Ddb.password=hunter2 -jar a.jar", shown: "java -Ddb.password=*** -jar a.jar" },
  { line: "env API_TOKEN=hunter2 -i api", shown: "env API_TOKEN=*** -i api" },
  { line: "api --no-auth -v", shown: "api --no-auth -v" },
  { line: `api ${"x".repeat(200)}`, shown: `api ${"x".repeat(95)}…` },
  { line: `${"🗑".repeat(101)}`, shown: `${"🗑".repeat(99)}…` },
])("$line is shown as $shown", ({ line, shown }) => {
  expect(commandText(line)).toBe(shown);
});

test("a password at which the line is cut is hidden all the same", () => {
  expect(commandText(`api ${"x".repeat(60)} redis://app:${"hunter2".repeat(20)}@db/0`)).not.toContain(
    "hunter2",
  );
});

test("arguments made to be slow to look through are not", () => {
  const startedAt = performance.now();
  for (const part of ["pass", "-key", "a//", " -", "//@", "token=-"])
    commandText(part.repeat(4_096).slice(0, 8_192));
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});
