import { writeFileSync } from "node:fs";
import { configJsonSchema } from "../src/config/json-schema.ts";

/* Writes config/safe-shutdown.schema.json from the zod schema: `npx tsx scripts/write-json-schema.ts`. */
const text = `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
writeFileSync(new URL("../config/safe-shutdown.schema.json", import.meta.url), text);
