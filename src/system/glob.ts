import { exactly, type Fold, lengthAt, type NamePattern, namePattern } from "./name-pattern.ts";

/*
 * Globs. `*` stands for any characters of one name, `?` for one, `[a-z]` and `[!a-z]` for one of a set, `{a,b}` for
 * either, `**` as a whole name for any number of names; `\` makes the next character an ordinary one, and a leading
 * dot is an ordinary one anyway, as it is to find(1).
 *
 * File names are hostile input. A regular expression made of a glob can take minutes for one name: 42 s for
 * `*a*a*a*a*b` and 250 times "a". Here no name takes longer than its length times the glob's.
 */

const ANY_NAMES: NamePattern = { kind: "any names" };
/** More would be a mistake, or an attack on the memory. */
const MAX_ALTERNATIVES = 1_000;

/**
 * The paths a glob stands for, one list of names for each alternative of its braces. `./` and `//` say nothing.
 * Throws for a bracket that is not closed, and for what other tools understand and this one does not.
 */
export function parseGlob(glob: string, fold: Fold = exactly): NamePattern[][] {
  if (glob.startsWith("!"))
    throw new Error("a ! at the start is not understood: \\! is the character itself");
  return alternativesOf(glob).map((one) =>
    splitAtSlashes(one)
      .filter((name) => name !== "" && name !== ".")
      .map((name) => (name === "**" ? ANY_NAMES : namePattern(name, fold))),
  );
}

/** A slash divides names also in braces, but an escaped one, or one in a set, is never in a name. */
function splitAtSlashes(glob: string): string[] {
  const names = [""];
  for (let at = 0; at < glob.length; ) {
    const length = lengthAt(glob, at);
    const piece = glob.slice(at, at + length);
    if (piece === "/" || piece === "\\/") names.push("");
    else names.push(`${names.pop()}${piece}`);
    at += length;
  }
  return names;
}

/** The glob without its braces, once for each choice of what is in them. */
function alternativesOf(glob: string): string[] {
  for (let at = 0; at < glob.length; at += lengthAt(glob, at)) {
    if (glob[at] !== "{") continue;
    const { choices, end } = choicesAt(glob, at);
    const rests = alternativesOf(glob.slice(end));
    const all = choices.flatMap(alternativesOf);
    if (all.length * rests.length > MAX_ALTERNATIVES)
      throw new Error(`it has more than ${MAX_ALTERNATIVES} alternatives`);
    return all.flatMap((choice) => rests.map((rest) => glob.slice(0, at) + choice + rest));
  }
  return [glob];
}

function choicesAt(glob: string, start: number): { choices: string[]; end: number } {
  const choices: string[] = [];
  let depth = 0;
  let from = start + 1;
  for (let at = start; at < glob.length; at += lengthAt(glob, at)) {
    if (glob[at] === "{") depth += 1;
    if (glob[at] === "}") depth -= 1;
    if (depth === 0 || (depth === 1 && glob[at] === ",")) {
      choices.push(glob.slice(from, at));
      from = at + 1;
    }
    if (depth > 0) continue;
    if (choices.length === 1) throw new Error(`{${choices[0]}} has no choice in it: write {a,b}`);
    return { choices, end: from };
  }
  throw new Error("a { is not closed");
}
