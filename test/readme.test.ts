import { readFileSync } from "node:fs";
import { Command } from "commander";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { commands } from "../src/cli/commands.ts";
import { addOptions } from "../src/cli/options.ts";
import { configFileSchema } from "../src/config/schema.ts";
import { exitCodeOf } from "../src/errors.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** The rows of the table below a heading, cell by cell. */
function rowsBelow(heading: string): string[][] {
  const part = readme
    .slice(readme.indexOf(`\n${heading}\n`))
    .split(/\n\n/)
    .slice(1);
  const table = part.find((block) => block.startsWith("|")) ?? "";
  return table
    .split("\n")
    .slice(2)
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

test("the README lists every option, and no other", () => {
  const program = new Command();
  addOptions(program);
  const listed = rowsBelow("### Options").flatMap(([flags = ""]) => flags.match(/--[a-z-]+/g) ?? []);
  expect(listed.sort()).toEqual(program.options.map(({ long }) => long).sort());
});

test("the README lists every command, and no other", () => {
  const listed = rowsBelow("### Commands").map(([usage = ""]) => /safe-shutdown \[?(\w+)/.exec(usage)?.[1]);
  expect(listed).toEqual(Object.keys(commands));
});

test("the README lists every exit code, and no other", () => {
  const listed = rowsBelow("### Exit codes").map(([code]) => Number(code));
  expect(listed).toEqual([0, ...Object.values(exitCodeOf)].sort((a, b) => a - b));
});

test("the README's config is a valid one", () => {
  const yaml = /```yaml\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  expect(configFileSchema.safeParse(parse(yaml)).error).toBeUndefined();
});
