import type { Problem } from "../errors.ts";
import { redactText } from "./redact.ts";

/** Where in a config file: the keys and indexes from its top. */
export type ConfigPath = readonly PropertyKey[];

/** Something wrong at a place in the config file, before the line it stands in is known. */
export interface Finding {
  readonly path: ConfigPath;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** A path as an operator writes it: `services[0].grace`; the top is `(top)`. */
export function formatPath(path: ConfigPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += text === "" ? String(step) : `.${String(step)}`;
  }
  return text === "" ? "(top)" : redactText(text);
}

/** What stands at a path; `undefined` when nothing does. Only own properties count. */
export function valueAt(value: unknown, path: ConfigPath): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Record<PropertyKey, unknown>)[step];
  }
  return current;
}

/** What was found, in an operator's words and without passwords; long texts are cut. */
export function describeValue(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value !== "object") return String(value);
  const keys = Object.keys(value);
  return keys.length === 0 ? "an empty mapping" : `a mapping with ${listOf(keys.map(code), "and")}`;
}

/** A finding as a problem; `place` is the file and line it stands in. */
export function toProblem(finding: Finding, place: string | undefined): Problem {
  return {
    path: formatPath(finding.path),
    message: place === undefined ? finding.message : `${finding.message} (${place})`,
    ...(finding.hint === undefined ? {} : { hint: finding.hint }),
  };
}

/** A key as messages show it. */
export function code(key: PropertyKey): string {
  return `\`${redactText(String(key))}\``;
}

/** `a, b or c`. */
export function listOf(words: readonly string[], conjunction: "and" | "or"): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} ${conjunction} ${last}`;
}

function quote(text: string): string {
  const shown = redactText(text);
  return JSON.stringify(shown.length > 60 ? `${shown.slice(0, 59)}…` : shown);
}
