import { expect, test } from "vitest";
import { PARSERS, run } from "../attacks/parsers.ts";

/* The short form; `npm run soak -- --only parsers` gives each a million inputs. */

/** A config is a file to be written and read, and takes a hundred times as long as a text. */
const inputsFor = (parser: string) =>
  parser.includes("config") || parser.includes("settings") ? 1_500 : 20_000;

test.each(PARSERS)(
  "%s: mutilated texts are read as a slow and obvious reference reads them",
  async (parser) => {
    await expect(run(parser, inputsFor(parser))).resolves.toBeUndefined();
  },
);
