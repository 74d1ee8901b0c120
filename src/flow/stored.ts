import type { z } from "zod";

/** What a text from Redis holds, or `undefined` when it is of another shape: others may write there too. */
export function parseStored<T>(schema: z.ZodType<T>, text: unknown): T | undefined {
  try {
    return typeof text === "string" ? schema.safeParse(JSON.parse(text)).data : undefined;
  } catch {
    return undefined; // not even JSON
  }
}
