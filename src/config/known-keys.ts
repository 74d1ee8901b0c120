import { type ConfigPath, valueAt } from "./config-path.ts";
import type { JsonSchema } from "./json-schema.ts";

/** The keys that the schema knows at a place; of several shapes, those the input has the required keys of. */
export function keysAt(schema: JsonSchema, input: unknown, path: ConfigPath): string[] {
  const shapes = path.reduce<JsonSchema[]>(
    (nodes, step, depth) => {
      const value = valueAt(input, path.slice(0, depth));
      return nodes.flatMap((node) => shapesOf(node, value)).flatMap((node) => below(node, step));
    },
    [schema],
  );
  const value = valueAt(input, path);
  const keys = shapes
    .flatMap((node) => shapesOf(node, value))
    .flatMap((node) => Object.keys(node.properties ?? {}));
  return [...new Set(keys)].filter((key) => !key.startsWith("$"));
}

function below(node: JsonSchema, step: PropertyKey): JsonSchema[] {
  const next = typeof step === "number" ? node.items : node.properties?.[String(step)];
  return next === undefined ? [] : [next];
}

function shapesOf(node: JsonSchema, value: unknown): readonly JsonSchema[] {
  if (node.anyOf === undefined) return [node];
  const begun = node.anyOf.filter((shape) =>
    shape.required?.every((key) => valueAt(value, [key]) !== undefined),
  );
  return begun.length > 0 ? begun : node.anyOf;
}
