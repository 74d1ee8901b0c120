import { join } from "node:path";
import { hintOf, messageOf } from "../errors.ts";
import { readTrustedFile } from "../system/text-file.ts";
import { type ConfigPath, code, describeValue, type Finding } from "./config-path.ts";
import { formatExactDuration, UNIT_MS } from "./duration.ts";
import type { Setting } from "./schema.ts";

/** A duration from the application's own config, and where it came from. */
export interface FoundSetting {
  readonly ms: number;
  /** `config/config.json#/FETCH_INTERVAL_SECONDS (300 s × 2)`, or that the default was used. */
  readonly origin: string;
}

/** A setting that is there but cannot be used. */
class SettingFault extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/**
 * Looks a setting up in the application's files, the first place that has it wins, else its default.
 * A missing file or key is no mistake; broken JSON or anything but a finite positive number is one.
 */
export function lookUpSetting(root: string, setting: Setting, path: ConfigPath): FoundSetting | Finding {
  try {
    for (const place of [setting.setting].flat()) {
      const value = settingAt(root, place);
      if (value !== undefined) return found(place, value, setting);
    }
  } catch (error) {
    if (!(error instanceof SettingFault)) throw error;
    return { path, message: error.message, hint: error.hint };
  }
  const origin = `default (${formatExactDuration(setting.default)}${timesText(setting)})`;
  return { ms: Math.round(setting.default * setting.times), origin };
}

function found(place: string, value: unknown, setting: Setting): FoundSetting {
  if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
    // The text itself is not shown: it is the application's, and may be a secret.
    const what = typeof value === "string" ? "a text" : describeValue(value);
    throw new SettingFault(
      `${place}: expected a number above 0, got ${what}`,
      typeof value === "string" && Number(value) > 0
        ? "write the number without quotes there"
        : "mend it there, or take it out of this setting",
    );
  }
  const ms = Math.round(value * UNIT_MS[setting.unit] * setting.times);
  if (!Number.isSafeInteger(ms) || ms < 1) {
    throw new SettingFault(
      `${place}: expected a duration of 1 ms to 285,000 years, got ${value} ${setting.unit}`,
      "mend it there",
    );
  }
  return { ms, origin: `${place} (${value} ${setting.unit}${timesText(setting)})` };
}

function timesText(setting: Setting): string {
  return setting.times === 1 ? "" : ` × ${setting.times}`;
}

function settingAt(root: string, place: string): unknown {
  const hash = place.indexOf("#");
  const file = place.slice(0, hash);
  if (file.startsWith("/") || file.split("/").includes("..")) {
    throw new SettingFault(
      `expected a file inside the root, got ${code(file)}`,
      "name it relative to the root, without ..",
    );
  }
  const steps = stepsOf(place, place.slice(hash + 1));
  const text = readApplicationFile(join(root, file), file);
  return text === undefined ? undefined : follow(parseJson(file, text), steps);
}

/** A JSON pointer's steps (RFC 6901): `~1` is `/`, `~0` is `~`, and no other `~` is allowed. */
function stepsOf(place: string, pointer: string): string[] {
  if (/~(?![01])/.test(pointer)) {
    throw new SettingFault(
      `expected a JSON pointer, got ${code(place)}`,
      'write "~" as ~0 and "/" as ~1 (RFC 6901)',
    );
  }
  const steps = pointer.split("/").slice(1);
  return steps.map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function follow(value: unknown, steps: readonly string[]): unknown {
  let current = value;
  for (const step of steps) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, step)) return undefined;
    if (Array.isArray(current) && !/^(?:0|[1-9]\d*)$/.test(step)) return undefined;
    current = (current as Record<string, unknown>)[step];
  }
  return current;
}

function readApplicationFile(path: string, file: string): string | undefined {
  try {
    return readTrustedFile(path);
  } catch (error) {
    const hint = hintOf(error) ?? "mend the file, or take it out of this setting";
    throw new SettingFault(`${file}: ${messageOf(error)}`, hint);
  }
}

/** The parser's own message is not used: it quotes the file, and the file may hold secrets. */
function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const [, offset] = / at position (\d+)/.exec(messageOf(error)) ?? [];
    const before = offset === undefined ? undefined : text.slice(0, Number(offset)).split("\n");
    const place =
      before === undefined ? file : `${file}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
    throw new SettingFault(`${place}: expected JSON, got something that cannot be parsed`, "mend the file");
  }
}
