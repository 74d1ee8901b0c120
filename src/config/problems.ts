import type { z } from "zod";
import { type ConfigPath, code, describeValue, type Finding, listOf, valueAt } from "./config-path.ts";
import { expectationOf } from "./expectation.ts";
import { configJsonSchema } from "./json-schema.ts";
import { keysAt } from "./known-keys.ts";
import { redisUrlFault } from "./redis-url.ts";
import { nearest } from "./similar.ts";

type Issue = z.core.$ZodIssue;
type UnionIssue = z.core.$ZodIssueInvalidUnion;

/** What zod found wrong with a config file, in an operator's words: one finding for one mistake. */
export function findingsOf(error: z.ZodError, input: unknown): Finding[] {
  return explainAll(error.issues, [], { input, schema: configJsonSchema() });
}

interface Context {
  readonly input: unknown;
  readonly schema: ReturnType<typeof configJsonSchema>;
}

function explainAll(issues: readonly Issue[], base: ConfigPath, context: Context): Finding[] {
  const misspelt = issues.flatMap((issue) => misspellings(issue, base, context));
  return issues
    .filter((issue) => !(isMissing(issue, base, context.input) && misspelt.includes(lastOf(issue.path))))
    .flatMap((issue) => explain(issue, base, context));
}

function explain(issue: Issue, base: ConfigPath, context: Context): Finding[] {
  const path = [...base, ...issue.path];
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(path, key, context));
  if (issue.code === "invalid_union") return explainUnion(issue, path, context);
  return [mismatch(issue, path, context.input)];
}

/**
 * A union's problems are those of the member that was meant: the one of the right type, and of those the one
 * whose required keys are there. When that does not single one out, the shapes themselves are the problem.
 */
function explainUnion(issue: UnionIssue, path: ConfigPath, context: Context): Finding[] {
  const likely = issue.errors.filter((member) => !member.some(isWrongType));
  const complete = likely.filter((member) => missingKeys(member, path, context.input).length === 0);
  if (complete.length === 1) return explainAll(complete[0] ?? [], path, context);
  if (complete.length > 1) return [tooManyShapes(issue, complete, path, context)];
  const near = likely.find((member) =>
    member.some((inner) =>
      misspellings(inner, path, context).some((key) =>
        missingKeys(member, path, context.input).includes(key),
      ),
    ),
  );
  const meant = near ?? fewestMissing(likely, path, context);
  return meant === undefined ? [mismatch(issue, path, context.input)] : explainAll(meant, path, context);
}

/** Of several shapes the one that lacks the fewest keys, if there is one such, and it has one of its own. */
function fewestMissing(members: readonly Issue[][], path: ConfigPath, context: Context): Issue[] | undefined {
  const ranked = members
    .map((member) => ({ member, missing: missingKeys(member, path, context.input).length }))
    .toSorted((a, b) => a.missing - b.missing);
  const [first, second] = ranked;
  return first !== undefined && second !== undefined && first.missing < second.missing
    ? first.member
    : undefined;
}

/** All keys of two shapes at once: what each complete member calls unknown marks the other's shape. */
function tooManyShapes(
  issue: Issue,
  complete: readonly Issue[][],
  path: ConfigPath,
  context: Context,
): Finding {
  const unknown = complete.map((member) => new Set(member.flatMap(unknownKeysOf)));
  const rivals = [...new Set(unknown.flatMap((keys) => [...keys]))].filter((key) =>
    unknown.some((keys) => !keys.has(key)),
  );
  const found = describeValue(valueAt(context.input, path));
  if (rivals.length < 2) return mismatch(issue, path, context.input);
  return { path, message: `expected only one of ${listOf(rivals.map(code), "and")}, got ${found}` };
}

function unknownKey(path: ConfigPath, key: string, { input, schema }: Context): Finding {
  const known = keysAt(schema, input, path);
  const meant = nearest(key, known);
  const hint =
    meant === undefined ? `known here: ${listOf(known.map(code), "and")}` : `did you mean ${code(meant)}?`;
  return { path: [...path, key], message: `unknown key ${code(key)}`, hint };
}

function mismatch(issue: Issue, path: ConfigPath, input: unknown): Finding {
  const value = valueAt(input, path);
  const expected = expectationOf(issue);
  if (value === undefined) return { path, message: `is missing: expected ${expected}` };
  // A URL's text is never shown: even one that is none may hold a password.
  if (lastOf(path) === "url" && typeof value === "string") {
    return { path, message: `expected ${expected}, got something else`, hint: redisUrlFault(value) };
  }
  const found = describeValue(value);
  return { path, message: `expected ${expected}, got ${found}`, hint: hintFor(issue, expected, value) };
}

function hintFor(issue: Issue, expected: string, value: unknown): string | undefined {
  if (typeof value === "number" && expected.startsWith("a duration")) return `write the unit too: ${value}s`;
  const meant = typeof value === "string" ? nearest(value, allowedTexts(issue)) : undefined;
  return meant === undefined ? undefined : `did you mean ${code(meant)}?`;
}

function allowedTexts(issue: Issue): string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  return issue.code === "invalid_union" ? issue.errors.flat().flatMap(allowedTexts) : [];
}

function misspellings(issue: Issue, base: ConfigPath, { input, schema }: Context): PropertyKey[] {
  const known = keysAt(schema, input, [...base, ...issue.path]);
  return unknownKeysOf(issue).flatMap((key) => nearest(key, known) ?? []);
}

function unknownKeysOf(issue: Issue): readonly string[] {
  return issue.code === "unrecognized_keys" ? issue.keys : [];
}

function missingKeys(member: readonly Issue[], base: ConfigPath, input: unknown): PropertyKey[] {
  return member.filter((issue) => isMissing(issue, base, input)).map((issue) => lastOf(issue.path));
}

function isMissing(issue: Issue, base: ConfigPath, input: unknown): boolean {
  return issue.path.length > 0 && valueAt(input, [...base, ...issue.path]) === undefined;
}

function isWrongType(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === "invalid_type" || issue.code === "invalid_value");
}

function lastOf(path: ConfigPath): PropertyKey {
  return path.at(-1) ?? "";
}
