import { type ConfigPath, valueAt } from "./config-path.ts";

/* Reading a config file that may be invalid: what is not as it should be is left out. */

/** The entries of a list, with their paths; nothing when there is no list. */
export function entriesAt(input: unknown, path: ConfigPath): { path: ConfigPath; entry: unknown }[] {
  const list = valueAt(input, path);
  return Array.isArray(list) ? list.map((entry, index) => ({ path: [...path, index], entry })) : [];
}

/** The texts of a value that is one, or a list of them; empty ones are left out. */
export function textsOf(value: unknown): string[] {
  return [value].flat().filter((text): text is string => typeof text === "string" && text !== "");
}
