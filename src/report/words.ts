/*
 * How things are written for people. File names, reasons and commands come from outside: whatever could move the
 * cursor, change colours or look like a line of ours is shown escaped.
 */

/** Control characters (C0, DEL, C1), line and paragraph separators, and the marks that reorder text. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
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
