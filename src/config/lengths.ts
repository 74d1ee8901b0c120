import { z } from "zod";

/*
 * How long a text or a list may be. zod asks whatever has a `length`, also an object where a text was expected, and
 * throws when that `length` is no number: `{"length":{"toString":1}}` (4.6). Here only texts and lists are asked.
 */

/** As characters of a text, or items of a list. */
function atLeast(minimum: number): z.core.$ZodCheckMinLength {
  const check = z.minLength(minimum);
  check._zod.def.when = hasLength;
  return check;
}

/** As characters of a text, or items of a list. */
export function atMost(maximum: number): z.core.$ZodCheckMaxLength {
  const check = z.maxLength(maximum);
  check._zod.def.when = hasLength;
  return check;
}

/** One character at least. */
export const text = z.string().check(atLeast(1));

/** One item at least. */
export function listOf<Item extends z.ZodType>(item: Item): z.ZodArray<Item> {
  return z.array(item).check(atLeast(1));
}

function hasLength({ value }: z.core.ParsePayload): boolean {
  return typeof value === "string" || Array.isArray(value);
}
