import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { load, loadText, rootWith } from "./workshop.ts";

const warningsFor = async (expression: string) => {
  const service = JSON.stringify({ name: "api", pidFiles: "api.pid", matches: expression });
  return (await loadText(`app: a\nservices: [${service}]`)).warnings;
};

test.each(["api", "crawler-service", "api\\.py", "api.py", ".*mailer.*", "(?:api|web)", "\\bapi\\b|web"])(
  "%s is warned of, with what else it matches and what to write",
  async (expression) => {
    const [warning, ...others] = await warningsFor(expression);
    expect(others).toEqual([]);
    expect(warning).toMatchObject({
      path: "services[0].matches",
      message: expect.stringMatching(
        / is a word without bounds: it also matches `import-.*-list`, which --force/,
      ),
      hint: expect.stringContaining("( |$)"),
    });
    const [, other = ""] = /`(import-.*-list)`/.exec(warning?.message ?? "") ?? [];
    const [, better = ""] = /such as `(.*)`/.exec(warning?.hint ?? "") ?? [];
    expect([new RegExp(expression).test(other), new RegExp(better).test(other)]).toEqual([true, false]);
    expect(await warningsFor(better)).toEqual([]);
  },
);

test.each([
  "celery.*worker",
  "celery.*\\bbeat\\b",
  "\\bapi\\b",
  "^api",
  "api$",
  "(^|/)api\\.py(\\s|$)",
  "node api",
])("%s has bounds, or says more than a word", async (expression) => {
  expect(await warningsFor(expression)).toEqual([]);
});

test("neither the built-in policy nor the example is warned of", async () => {
  const example = readFileSync("config/example.yaml", "utf8");
  for (const files of [{}, { "safe-shutdown.yaml": example }])
    expect((await load(rootWith(files))).warnings.filter(({ path }) => path.endsWith("matches"))).toEqual([]);
});
