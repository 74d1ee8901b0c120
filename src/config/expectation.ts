import type { z } from "zod";
import { describeValue, listOf } from "./config-path.ts";

/** What each type is called in a config file. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
};

/** What a zod issue expected, in an operator's words; the schema's own wording wins. */
export function expectationOf(issue: z.core.$ZodIssue): string {
  if (issue.message.startsWith("expected ")) return issue.message.slice("expected ".length);
  switch (issue.code) {
    case "invalid_type":
      return TYPE_NAMES[issue.expected] ?? issue.expected;
    case "invalid_value":
      return listOf(issue.values.map(describeValue), "or");
    case "too_small":
      return atLeast(issue);
    case "too_big":
      return `at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}

function atLeast(issue: z.core.$ZodIssueTooSmall): string {
  if (issue.origin === "array") return "a list of at least one entry";
  if (issue.origin === "string") return "a text that is not empty";
  return `a number ${issue.inclusive === true ? "of at least" : "above"} ${issue.minimum}`;
}
