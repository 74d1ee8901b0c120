import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { loadText, problemsOf } from "./workshop.ts";

/* What is wrong at any place of a config is told as a problem of that place, or of one around it. */

const example: unknown = parse(
  readFileSync(new URL("../../config/example.yaml", import.meta.url), "utf8").replaceAll(/^# (?=\w+:)/gm, ""),
);
/** No text and no list, but it has a length, which is no number; zod reads it all the same. */
const UNREADABLE = { length: { toString: 1 } };

type Path = readonly (string | number)[];

function* placesIn(value: unknown, path: Path = []): Generator<Path> {
  yield path;
  if (typeof value !== "object" || value === null) return;
  for (const key of Object.keys(value)) {
    yield* placesIn(value[key as never], [...path, Array.isArray(value) ? Number(key) : key]);
  }
}

function withStrangerAt([key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return UNREADABLE;
  const changed = withStrangerAt(rest, value?.[key as never]);
  return Array.isArray(value)
    ? value.with(Number(key), changed)
    : { ...(value as object), [String(key)]: changed };
}

const nameOf = (path: Path) =>
  path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`))
    .join("")
    .slice(1);

test.each([...placesIn(example)].map((path): [string, Path] => [nameOf(path) || "the config itself", path]))(
  "what cannot be compared in place of %s is a problem",
  async (name, path) => {
    const problems = await problemsOf(loadText(JSON.stringify(withStrangerAt(path, example))));
    if (path.length === 0) return expect(problems).not.toEqual([]);
    expect(
      problems.map((problem) => problem.path).some((at) => `${at}.`.startsWith(name.split(/[.[]/)[0] ?? "")),
    ).toBe(true);
  },
);
