import { expect, test } from "vitest";
import { readSource } from "../../src/config/source.ts";
import { load, loadText, problemsOf, rootWith } from "./workshop.ts";

test.each([
  { wrong: "a duplicate key", yaml: "app: a\napp: b", at: "2:1", says: /once/ },
  { wrong: "a second document", yaml: "app: a\n---\napp: b", at: "2:1", says: /one document/ },
  { wrong: "an open bracket", yaml: "app: [a", at: "1:8", says: /\]/ },
  { wrong: "a tab", yaml: "redis:\n\turl: x", at: "2:1", says: /Tabs/ },
  { wrong: "a glob without quotes", yaml: "app: a\nlocks:\n  - files: *.lock", at: "3:12", says: /anchor/ },
  { wrong: "broken JSON", yaml: '{ "app": "a",, }', at: "1:14", says: /./ },
])("$wrong is reported with line and column", async ({ yaml, at, says }) => {
  const [problem] = await problemsOf(loadText(yaml));
  expect(problem?.path).toBe(`safe-shutdown.yaml:${at}`);
  expect(problem?.message).toMatch(says);
});

test("a glob without quotes gets a hint", async () => {
  const [problem] = await problemsOf(loadText("locks: [{ files: *.lock }]"));
  expect(problem?.hint).toContain("quotes");
});

test.each(["", "# only a comment\n", "---\n", "null"])("%j is an empty file", async (yaml) => {
  const problems = await problemsOf(loadText(yaml));
  expect(problems).toMatchObject([
    { path: "safe-shutdown.yaml", message: expect.stringContaining("empty file") },
  ]);
});

test.each(["- a", "a text", "5"])("%j is not a mapping", async (yaml) => {
  const problems = await problemsOf(loadText(yaml));
  expect(problems).toMatchObject([
    { path: "(top)", message: expect.stringMatching(/^expected a mapping, got/) },
  ]);
});

test("aliases of aliases that would fill the memory are refused", async () => {
  const levels = Array.from(
    { length: 12 },
    (_, i) => `a${i}: &a${i} [${Array(9).fill(i === 0 ? "x" : `*a${i - 1}`)}]`,
  );
  const problems = await problemsOf(loadText(`app: a\n${levels.join("\n")}`));
  expect(problems[0]?.message).toMatch(/alias/i);
});

test("a config that is not text is refused", async () => {
  const problems = await problemsOf(load(rootWith({ "safe-shutdown.yaml/x": "" })));
  expect(problems).toMatchObject([{ message: expect.stringContaining("not a regular file") }]);
});

test("an unknown tag is a warning", async () => {
  expect((await loadText("app: !name a")).warnings[0]).toMatchObject({ path: "safe-shutdown.yaml:1:6" });
});

test("knows the line of keys, entries, aliases and merged keys", () => {
  const source = readSource("f", "a: &x\n  b: 1\nc:\n  <<: *x\n  d: 2\ne: [1,\n  2]\ng: *x\n");
  expect(source.value).toMatchObject({ c: { b: 1, d: 2 }, g: { b: 1 } });
  expect(source.placeOf(["c", "d"])).toBe("f:5");
  expect(source.placeOf(["c", "b"])).toBe("f:2");
  expect(source.placeOf(["e", 1])).toBe("f:7");
  expect(source.placeOf(["g", "b"])).toBe("f:2");
  expect(source.placeOf(["c", "z"])).toBeUndefined();
  expect(source.lineNear(["c", "z", "y"])).toBe(3);
});
