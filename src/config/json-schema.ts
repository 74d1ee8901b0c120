import { z } from "zod";
import { configFileSchema } from "./schema.ts";

/** The part of JSON Schema (draft 2020-12) that the config's schema uses. */
export interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

let schema: JsonSchema | undefined;

/** The config file as a JSON Schema, for editors: what `config/safe-shutdown.schema.json` holds. Made once. */
export function configJsonSchema(): JsonSchema {
  schema ??= z.toJSONSchema(configFileSchema, { io: "input", target: "draft-2020-12" }) as JsonSchema;
  return schema;
}
