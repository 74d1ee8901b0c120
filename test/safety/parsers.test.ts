import { expect, test } from "vitest";
import { PARSERS, run } from "../attacks/parsers.ts";

/* The short form; the long one gives each a million inputs. */

test.each(PARSERS)("%s: mutilated texts are read as a slow and obvious reference reads them", (only) => {
  expect(() => run({ inputs: 20_000, only })).not.toThrow();
});
