import { expect, test } from "vitest";
import { countOf, formatBytes, printable, printableJson } from "../../src/report/words.ts";

test.each([
  { what: "a line break", text: "a\nb", shown: "a\\x0ab" },
  { what: "a carriage return", text: "a\rb", shown: "a\\x0db" },
  { what: "a tab", text: "a\tb", shown: "a\\x09b" },
  { what: "an escape sequence", text: "\x1b[31mred\x1b[0m", shown: "\\x1b[31mred\\x1b[0m" },
  { what: "a C1 control sequence", text: "\x9b31m", shown: "\\x9b31m" },
  { what: "DEL and NUL", text: "\x7f\0", shown: "\\x7f\\x00" },
  { what: "a bell and a backspace", text: "\x07\b", shown: "\\x07\\x08" },
  { what: "the line separator of Unicode", text: "a\u2028b\u2029", shown: "a\\u2028b\\u2029" },
  { what: "an override of the direction", text: "\u202egnp.exe", shown: "\\u202egnp.exe" },
  { what: "an isolate", text: "\u2066a\u2069", shown: "\\u2066a\\u2069" },
  { what: "the marks of direction", text: "\u200e\u200f\u061c", shown: "\\u200e\\u200f\\u061c" },
  { what: "a byte order mark", text: "\ufeffa", shown: "\\ufeffa" },
  { what: "what is not seen at all", text: "a\u200bb\u00adc\u2060", shown: "a\\u200bb\\xadc\\u2060" },
  { what: "a tag, which is not seen either", text: "\u{e0041}", shown: "\\u{e0041}" },
  { what: "half a character", text: "\ud800", shown: "\\ud800" },
  { what: "other alphabets and emoji", text: "café дом 🗑", shown: "café дом 🗑" },
  { what: "quotes and backslashes", text: `"a"\\'b'`, shown: `"a"\\'b'` },
])("$what is shown so that it cannot do anything", ({ text, shown }) => {
  expect(printable(text)).toBe(shown);
});

test.each([
  { bytes: 0, shown: "0 B" },
  { bytes: 999, shown: "999 B" },
  { bytes: 1_000, shown: "1.0 kB" },
  { bytes: 1_500, shown: "1.5 kB" },
  { bytes: 9_940, shown: "9.9 kB" },
  { bytes: 9_950, shown: "10 kB" },
  { bytes: 999_499, shown: "999 kB" },
  { bytes: 999_500, shown: "1.0 MB" },
  { bytes: 12_000_000, shown: "12 MB" },
  { bytes: 2_500_000_000, shown: "2.5 GB" },
  { bytes: 4_000_000_000_000_000, shown: "4000 TB" },
])("$bytes bytes are $shown", ({ bytes, shown }) => {
  expect(formatBytes(bytes)).toBe(shown);
});

test.each([
  { amount: 0, shown: "0 keys" },
  { amount: 1, shown: "1 key" },
  { amount: 2, shown: "2 keys" },
])("$amount: $shown", ({ amount, shown }) => {
  expect(countOf(amount, "key")).toBe(shown);
  expect(countOf(2, "entry", "entries")).toBe("2 entries");
});

test("JSON says the same when what a terminal would act on is escaped in it", () => {
  const value = { name: "\x9b31m\u202egnp\u{e0041}\x1b[2J\n", "caf\u00e9": [1, "\ud800"] };
  const text = printableJson(JSON.stringify(value, null, 2));
  expect(text.replaceAll("\n", "")).toBe(printable(text.replaceAll("\n", "")));
  expect(JSON.parse(text)).toEqual(value);
});
