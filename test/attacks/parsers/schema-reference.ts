/** The part of JSON Schema that the config's schema is written in. */
export interface Schema {
  readonly [word: string]: unknown;
}

const WORDS = [
  ...["$schema", "title", "description", "default", "type", "properties", "required", "additionalProperties"],
  ...[
    "items",
    "minItems",
    "anyOf",
    "enum",
    "const",
    "pattern",
    "minLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
  ],
];

/** Whether a value fits a schema: word by word, nothing clever. Throws for a word that it does not know. */
export function fits(value: unknown, schema: Schema): boolean {
  const stranger = Object.keys(schema).find((word) => !WORDS.includes(word));
  if (stranger !== undefined) throw new Error(`expected a word that the reference knows, found ${stranger}`);
  const { anyOf, type, pattern, minLength, minimum, maximum, exclusiveMinimum } = schema;
  if (Array.isArray(anyOf) && !anyOf.some((one: Schema) => fits(value, one))) return false;
  if (Array.isArray(schema.enum) && !schema.enum.includes(value)) return false;
  if ("const" in schema && schema.const !== value) return false;
  if (typeof type === "string" && !isOf(value, type)) return false;
  if (typeof value === "string") {
    if (typeof pattern === "string" && !new RegExp(pattern).test(value)) return false;
    if (typeof minLength === "number" && value.length < minLength) return false;
  }
  if (typeof value === "number") {
    if (typeof minimum === "number" && value < minimum) return false;
    if (typeof maximum === "number" && value > maximum) return false;
    if (typeof exclusiveMinimum === "number" && value <= exclusiveMinimum) return false;
  }
  if (Array.isArray(value)) return fitsList(value, schema);
  return typeof value !== "object" || value === null || fitsMapping(value, schema);
}

function isOf(value: unknown, type: string): boolean {
  if (type === "integer") return typeof value === "number" && Math.floor(value) === value;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return type === (value === null ? "null" : typeof value);
}

function fitsList(list: readonly unknown[], { items, minItems }: Schema): boolean {
  if (typeof minItems === "number" && list.length < minItems) return false;
  return !isSchema(items) || list.every((one) => fits(one, items));
}

function fitsMapping(mapping: object, { properties, required, additionalProperties }: Schema): boolean {
  const known = isSchema(properties) ? properties : {};
  if (Array.isArray(required) && required.some((key: string) => !Object.hasOwn(mapping, key))) return false;
  return Object.entries(mapping).every(([key, value]) => {
    const schema = Object.hasOwn(known, key) ? known[key] : undefined;
    if (isSchema(schema)) return fits(value, schema);
    return additionalProperties !== false;
  });
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null;
}
