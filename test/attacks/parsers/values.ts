import fc from "fast-check";

/** What somebody hostile, or somebody tired, writes where something else is expected. */
const STRANGE: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    -0,
    -1,
    1.5,
    1e308,
    2 ** 53,
    Number.MIN_VALUE,
    "",
    " ",
    "0",
    "-1",
    "1e999",
    "NaN",
  ],
  ...[
    "__proto__",
    "constructor",
    "/etc/passwd",
    "../..",
    "**",
    "*",
    ".*",
    "a\0b",
    "\ud800",
    "\u202e",
    "x".repeat(300),
  ],
  ...[
    "5m",
    "99999999999d",
    "100%",
    "101%",
    "1 GB",
    "redis://h:99999/0",
    "redis://:p@h/0",
    "file.json#/a",
    "all",
    "apply",
  ],
  ...[
    [],
    {},
    [[]],
    [null],
    { __proto__: null },
    { length: 3 },
    { length: { toString: 1 } },
    [{}, {}],
    { toString: 1 },
  ],
  JSON.parse('{"__proto__": {"polluted": true}}'),
  JSON.parse('{"constructor": {"prototype": {"polluted": true}}}'),
];
const STRANGE_KEYS = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "",
  "0",
  "-1",
  "$schema",
  "<<",
  "a.b",
];

interface Change {
  /** Which of all places, counted over and over. */
  readonly at: number;
  readonly what: "put" | "drop" | "add" | "rename" | "twice";
  readonly value: unknown;
  readonly key: string;
}

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat({ max: 10_000 }),
  what: fc.constantFrom("put", "put", "drop", "add", "rename", "twice"),
  value: fc.oneof(fc.constantFrom(...STRANGE), fc.jsonValue({ maxDepth: 2 })),
  key: fc.oneof(fc.constantFrom(...STRANGE_KEYS), fc.string({ maxLength: 6 })),
});

/** True values with some changes somewhere inside, as JSON; now and then any value at all. */
export function changesOf(samples: readonly unknown[]): fc.Arbitrary<string> {
  const changed = fc
    .tuple(fc.constantFrom(...samples), fc.array(change, { maxLength: 4 }))
    .map(([sample, changes]) => JSON.stringify(changes.reduce(apply, structuredClone(sample))) ?? "null");
  return fc.oneof({ arbitrary: changed, weight: 9 }, { arbitrary: fc.json(), weight: 1 });
}

function apply(value: unknown, change: Change): unknown {
  const top = { value };
  const places = placesIn(top);
  const place = places[change.at % places.length];
  if (place !== undefined) edit(place.inside, place.key, change);
  return top.value;
}

interface Place {
  readonly inside: object;
  readonly key: string;
}

function placesIn(inside: object): Place[] {
  return Object.entries(inside).flatMap(([key, value]) => [
    { inside, key },
    ...(typeof value === "object" && value !== null ? placesIn(value) : []),
  ]);
}

/** Keys are defined, not assigned: `__proto__` is to become a key like any other, as it does in JSON. */
function edit(inside: object, key: string, { what, value, key: other }: Change): void {
  const put = (name: string, content: unknown) =>
    Object.defineProperty(inside, name, {
      value: structuredClone(content), // nothing is shared: another change may go into it
      enumerable: true,
      configurable: true,
      writable: true,
    });
  const isList = Array.isArray(inside);
  const here: unknown = Object.getOwnPropertyDescriptor(inside, key)?.value;
  if (what === "put") put(key, value);
  else if (what === "twice") put(isList ? String(inside.length) : `${key}2`, here);
  else if (what === "add") put(isList ? String(inside.length) : other, value);
  else {
    if (isList) inside.splice(Number(key), 1);
    else Reflect.deleteProperty(inside, key);
    if (what === "rename" && !isList) put(other, here);
  }
}

/** Throws when an input has left something on the objects of everybody. */
export function nothingPolluted(): void {
  const strays = [...Object.keys(Object.prototype), ...Object.keys(Array.prototype)];
  if (strays.length > 0 || "polluted" in {}) throw new Error(`every object has ${strays.join(", ")} now`);
}
