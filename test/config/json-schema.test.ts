import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { configJsonSchema } from "../../src/config/json-schema.ts";
import { load, rootWith } from "./workshop.ts";

const config = (name: string) => readFileSync(new URL(`../../config/${name}`, import.meta.url), "utf8");

test("the committed JSON Schema is the one the code has; else: npx tsx scripts/write-json-schema.ts", () => {
  expect(JSON.parse(config("safe-shutdown.schema.json"))).toEqual(configJsonSchema());
});

test("every key of the config is explained to the editor", () => {
  const schema = configJsonSchema();
  expect(schema).toMatchObject({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    additionalProperties: false,
  });
  expect(Object.keys(schema.properties ?? {})).toContain("stageDeadline");
});

describe("the example", () => {
  test("is valid, and says the same as the built-in policy", async () => {
    const example = (await load(rootWith({ "safe-shutdown.yaml": config("example.yaml") }))).config;
    const builtIn = (await load(rootWith())).config;
    const { file, fingerprint, root, preserve, ...rest } = example;
    expect({ file, fingerprint, root }).not.toMatchObject({ file: undefined });
    expect(builtIn).toMatchObject(rest);
    expect(preserve).toEqual(expect.arrayContaining([...builtIn.preserve]));
  });

  test("names every key there is at the top", () => {
    const keys = Object.keys(configJsonSchema().properties ?? {}).filter((key) => !key.startsWith("$"));
    for (const key of keys) expect(config("example.yaml")).toMatch(new RegExp(`^(?:# )?${key}:`, "m"));
  });
});
