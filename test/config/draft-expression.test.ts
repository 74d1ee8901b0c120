import { describe, expect, test } from "vitest";
import { expressionFor, expressionOfName } from "../../src/config/draft-expression.ts";

describe("an expression made from a command line", () => {
  test.each([
    {
      line: "python3 api.py",
      matches: ["/usr/bin/python3.11 -u /srv/app/api.py --port 80"],
      not: ["vim api.py"],
    },
    {
      line: "python3 api.py",
      matches: [],
      not: ["python3 migrate_api.py", "python3 x.py api.py", "python3 api.py.old"],
    },
    { line: "python3 -W ignore -u api.py", matches: ["python3 api.py"], not: ["python3 -u x.py api.py"] },
    { line: "python manage.py runserver 0.0.0.0:8000", matches: [], not: ["python manage.py migrate"] },
    {
      line: "python3 -m http.server 80",
      matches: ["python3 -u -m http.server"],
      not: ["python3 -m http.servers"],
    },
    {
      line: "/venv/bin/python /venv/bin/uvicorn app:app --port 1",
      matches: [],
      not: ["python x/uvicorn admin:app"],
    },
    {
      line: "node --inspect dist/api/index.js",
      matches: ["node /srv/dist/api/index.js"],
      not: ["node worker/index.js"],
    },
    {
      line: "java -Dpw=hunter2 -jar lib/api.jar",
      matches: ["java -jar api.jar"],
      not: ["java -jar other.jar"],
    },
    { line: "bash -e ./run.sh", matches: null, not: [] },
    { line: "sh ./run.sh", matches: ["/bin/sh run.sh x"], not: ["sh rerun.sh"] },
    { line: "gunicorn: master [app:app]", matches: [], not: ["tail gunicorn:"] },
    {
      line: "./bin/api-server hunter2",
      matches: ["api-server"],
      not: ["api-server-import", "tail api-server"],
    },
    { line: "c++ (x)", matches: [], not: ["cc (x)"] },
    { line: "bun run src/server.ts", matches: [], not: ["bun run migrate.ts"] },
    { line: "python3 -c import api", matches: null, not: [] },
    { line: "sudo -u app python3 api.py", matches: null, not: [] },
    { line: "python3", matches: null, not: [] },
    { line: "", matches: null, not: [] },
  ])("$line", ({ line, matches, not }) => {
    const expression = expressionFor(line);
    if (matches === null || expression === undefined) return expect(expression ?? null).toBe(matches);
    expect(expression).not.toContain("hunter2");
    const isMatching = (one: string) => new RegExp(expression).test(one);
    expect([line, ...matches].filter((one) => !isMatching(one))).toEqual([]);
    expect(not.filter(isMatching)).toEqual([]);
  });

  test("hides what may be a secret and bounds what it names", () => {
    expect(expressionFor("python3 api.py redis://:hunter2@h/0")).toBe(
      String.raw`^(\S*/)?python[\d.]* (-\S+ )*(\S*/)?api\.py( |$)`,
    );
  });
});

test.each([
  { name: "api", is: "python3 -u /srv/api.py --fast", isNot: "python3 migrate_api_db.py" },
  { name: "api", is: "./api", isNot: "python3 import-api-list.py" },
  { name: "api", is: "node api.js", isNot: "python3 migrate.py --target api" },
  { name: "mailer", is: "python3 -m mailer", isNot: "python3 import-mailer-list.py" },
  { name: "old", is: "/opt/old serve", isNot: "old-thing" },
  { name: "a+b", is: "a+b", isNot: "aab" },
])("a name alone, $name, is $is and not $isNot", ({ name, is, isNot }) => {
  const expression = new RegExp(expressionOfName(name));
  expect([is, isNot].map((line) => expression.test(line))).toEqual([true, false]);
});

test("no command line takes an expression long", () => {
  const expressions = [
    expressionOfName("api"),
    expressionFor("python3 -W x api.py"),
    expressionFor("python3 api.py"),
  ];
  const startedAt = performance.now();
  for (const part of ["/", "python3 ", "-a ", "-a b ", "python3 -a ", "/python3"])
    for (const expression of expressions)
      new RegExp(expression ?? "").test(`python3 ${part.repeat(8_192)}`.slice(0, 8_192));
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});
