/*
 * How things are written for people. File names, reasons and commands come from outside: whatever could move the
 * cursor, change colours or look like a line of ours is shown escaped.
 */

/**
 * Control characters (C0, DEL, C1), line and paragraph separators, halves of characters, and the marks of Unicode that
 * format without being seen: they reorder text, join it, or hide in it.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** What a terminal would act on is written as `\x1b`, `\u202e`, `\u{e0041}`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    if (code.length > 4) return `\\u{${code}}`;
    return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
  });
}

/** A JSON text that says the same and is safe to show on a terminal: JSON.stringify escapes C0 only. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (character) => {
    if (character === "\n") return character; // between its lines: in a string it is escaped already
    return character
      .split("")
      .map((half) => `\\u${half.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join("");
  });
}

/** `1 lock`, `2 locks`; the plural is the noun with an s unless given. */
export function countOf(amount: number, noun: string, plural = `${noun}s`): string {
  return amount === 1 ? `1 ${noun}` : `${amount} ${plural}`;
}

/** `512 B`, `1.5 kB`, `12 MB`: powers of 1,000, two digits at least. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
    if (value < 999.5 || unit === "TB")
      return `${unit === "B" || value >= 9.95 ? Math.round(value) : value.toFixed(1)} ${unit}`;
    value /= 1_000;
  }
  return `${bytes} B`;
}
