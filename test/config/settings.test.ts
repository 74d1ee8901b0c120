import { describe, expect, test } from "vitest";
import { load, problemsOf, rootWith } from "./workshop.ts";

/** Loads a prune rule whose age is a setting of config/config.json, default 4 minutes, times 2. */
function loadSetting(files: Record<string, string>, pointers: string[], more = "unit: s, times: 2") {
  const setting = `{ setting: ${JSON.stringify(pointers)}, default: 4m, ${more} }`;
  const config = `app: a\nredis:\n  prune:\n    - keys: x:*\n      olderThan: ${setting}\n      age: [idle]\n`;
  return load(rootWith({ ...files, "safe-shutdown.yaml": config }));
}

const at = (pointer: string) => `config/config.json#${pointer}`;
const json = (value: unknown) => ({ "config/config.json": JSON.stringify(value) });

describe("a setting is taken from the application's config", () => {
  test.each([
    {
      where: "at the first place",
      files: json({ A: 300, B: 5 }),
      from: "/A",
      ms: 600_000,
      origin: `${at("/A")} (300 s × 2)`,
    },
    {
      where: "at the next when the key is missing",
      files: json({ B: 1.5 }),
      from: "/B",
      ms: 3_000,
      origin: `${at("/B")} (1.5 s × 2)`,
    },
    {
      where: "nowhere when no key is there",
      files: json({}),
      from: "",
      ms: 480_000,
      origin: "default (4m × 2)",
    },
    { where: "nowhere when no file is there", files: {}, from: "", ms: 480_000, origin: "default (4m × 2)" },
  ])("$where", async ({ files, ms, origin }) => {
    const { config, origins } = await loadSetting(files, [at("/A"), at("/B")]);
    expect(config.redis.prune[0]?.olderThanMs).toBe(ms);
    const row = origins.find(({ path }) => path === "redis.prune[0].olderThan");
    expect(row?.origin).toBe(origin);
  });

  test.each([
    { pointer: "/a/b", value: { a: { b: 7 } } },
    { pointer: "/a~1b", value: { "a/b": 7 } },
    { pointer: "/a~01", value: { "a~1": 7 } },
    { pointer: "/list/1", value: { list: [1, 7] } },
    { pointer: "/a//b", value: { a: { "": { b: 7 } } } },
  ])("the pointer $pointer finds its value (RFC 6901)", async ({ pointer, value }) => {
    const { config, origins } = await loadSetting(json(value), [at(pointer)], "unit: s");
    expect(config.redis.prune[0]?.olderThanMs).toBe(7_000);
    expect(origins).toContainEqual({
      path: "redis.prune[0].olderThan",
      value: "7s",
      origin: `${at(pointer)} (7 s)`,
    });
  });

  test.each(["/list/01", "/list/-", "/list/length", "/__proto__", "/text/0", "/A/toString"])(
    "the pointer %s finds nothing",
    async (pointer) => {
      const { config } = await loadSetting(json({ list: [1, 7], text: "7", A: 300 }), [at(pointer)]);
      expect(config.redis.prune[0]?.olderThanMs).toBe(480_000);
    },
  );

  test.each([
    { unit: "ms", ms: 90 },
    { unit: "s", ms: 90_000 },
    { unit: "m", ms: 5_400_000 },
    { unit: "h", ms: 324_000_000 },
    { unit: "d", ms: 7_776_000_000 },
  ])("90 $unit are $ms ms", async ({ unit, ms }) => {
    const { config } = await loadSetting(json({ A: 90 }), [at("/A")], `unit: ${unit}`);
    expect(config.redis.prune[0]?.olderThanMs).toBe(ms);
  });
});

describe("a setting that cannot be used is a problem that names file and pointer", () => {
  test.each([
    { what: "a numeric text", value: "300", got: "a text" },
    { what: "null", value: null, got: "nothing" },
    { what: "true", value: true, got: "true" },
    { what: "zero", value: 0, got: "0" },
    { what: "a negative number", value: -1, got: "-1" },
    { what: "a list", value: [300], got: "a list" },
    { what: "a mapping", value: { s: 300 }, got: "a mapping with `s`" },
  ])("$what", async ({ value, got }) => {
    const [problem, ...others] = await problemsOf(
      loadSetting(json({ A: value, B: 5 }), [at("/A"), at("/B")]),
    );
    expect(others).toEqual([]);
    expect(problem?.path).toBe("redis.prune[0].olderThan");
    expect(problem?.message).toBe(
      `${at("/A")}: expected a number above 0, got ${got} (safe-shutdown.yaml:5)`,
    );
  });

  test.each([
    {
      what: "more than a number can say",
      text: '{"A": 1e999}',
      says: "expected a number above 0, got Infinity",
    },
    { what: "longer than a date can say", text: '{"A": 1e300}', says: "expected a duration of" },
    { what: "shorter than a millisecond", text: '{"A": 0.0001}', says: "expected a duration of" },
    { what: "broken JSON", text: '{\n  "A": secret\n}', says: "config/config.json" },
    { what: "an empty file", text: "", says: "expected JSON" },
  ])("$what", async ({ text, says }) => {
    const problems = await problemsOf(loadSetting({ "config/config.json": text }, [at("/A")]));
    expect(problems).toMatchObject([{ message: expect.stringContaining(says) }]);
    expect(JSON.stringify(problems)).not.toContain("secret");
  });

  test.each(["../x.json#/A", "a/../../x.json#/A", "/etc/x.json#/A", "..#/A"])(
    "%s leaves the root",
    async (place) => {
      const problems = await problemsOf(loadSetting({}, [place]));
      expect(problems).toMatchObject([
        { message: expect.stringContaining("expected a file inside the root") },
      ]);
    },
  );

  test("a pointer with a stray ~", async () => {
    const problems = await problemsOf(loadSetting(json({ "a~": 1 }), [at("/a~")]));
    expect(problems).toMatchObject([{ message: expect.stringContaining("expected a JSON pointer") }]);
  });

  test("a directory in the file's place", async () => {
    const problems = await problemsOf(loadSetting({ "config/config.json/x": "" }, [at("/A")]));
    expect(problems).toMatchObject([{ message: expect.stringContaining("not a regular file") }]);
  });
});
