import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";

/** What is put into a text at random: what means something to one of the parsers, or to none. */
const PIECES = [
  ...["\n", "\r", "\r\n", "\t", " ", "  ", "\0", "\x0b", "\x0c", "\xa0", "\x85", "\xff", "\xef\xbb\xbf"],
  ...[
    "(",
    ")",
    ") ",
    " (",
    "-",
    " - ",
    "->",
    ":",
    "::",
    "/",
    ".",
    "@",
    "+",
    '"',
    "{",
    "}",
    "=",
    "\\",
    "\\040",
  ],
  ...["0", "1", "7", "00", "-1", "4242", "4194304", "4194305", "9999999", "10000000", "18446744073709551615"],
  ...[
    "Z",
    "X",
    "x",
    "R",
    "D",
    "Tgid:",
    "Uid:",
    "NSpid:",
    "Tgid:\t1",
    "mnt_id:",
    "ino:",
    "lock:",
    "pid",
    "host",
  ],
  ...["0x10", "1e3", "NaN", "Infinity", "\u0661\u0662", "__proto__", "constructor"],
];

interface Edit {
  readonly at: number;
  readonly removed: number;
  readonly piece: string;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat({ max: 400 }),
  removed: fc.oneof(fc.constant(0), fc.nat({ max: 12 })),
  piece: fc.oneof(fc.constantFrom(...PIECES), fc.constant(""), fc.string({ maxLength: 6 })),
});

/** True texts with some edits, and now and then mere bytes. */
export function mutationsOf(samples: readonly string[]): fc.Arbitrary<Buffer> {
  const mutated = fc
    .tuple(fc.constantFrom(...samples), fc.array(edit, { maxLength: 6 }))
    .map(([sample, edits]) => Buffer.from(edits.reduce(apply, sample), "latin1"));
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
  return fc.oneof({ arbitrary: mutated, weight: 9 }, { arbitrary: bytes, weight: 1 });
}

function apply(text: string, { at, removed, piece }: Edit): string {
  const from = at % (text.length + 1);
  return text.slice(0, from) + piece + text.slice(from + removed);
}

/** A parser of some kilobytes takes microseconds of a processor; how long others keep it from one does not count. */
const PATIENCE_MS = 2_000;

export function quickly<Input, Output>(parse: (input: Input) => Output, input: Input): Output {
  const before = process.cpuUsage();
  const output = parse(input);
  const { user, system } = process.cpuUsage(before);
  const tookMs = (user + system) / 1_000;
  if (tookMs > PATIENCE_MS)
    throw new Error(`expected an answer within ${PATIENCE_MS} ms, it took ${tookMs} of a processor`);
  return output;
}

export function equal(found: unknown, expected: unknown): void {
  if (isDeepStrictEqual(found, expected)) return;
  throw new Error(`expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
}
