/** What one name of a path may be. */
export type NamePattern =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "wild"; readonly means: (name: string) => boolean }
  /** `**`: any number of names, also none where something follows. */
  | { readonly kind: "any names" };

/** How names are compared: as they are, or in a form that forgets letter case and the like. */
export type Fold = (name: string) => string;
export const exactly: Fold = (name) => name;

/** The length of what starts at `at` and must not be looked into: an escape, a set, or an ordinary character. */
export function lengthAt(glob: string, at: number): number {
  if (glob[at] === "\\") return 2;
  if (glob[at] === "[") return setAt(glob, at).length;
  if ("?*+@!".includes(glob[at] ?? "") && glob[at + 1] === "(")
    throw new Error(`${glob.slice(at, at + 2)}…) is not understood: write {a,b}`);
  return 1;
}

type Token = string | typeof ONE | typeof STAR | { readonly set: (character: string) => boolean };
const ONE = Symbol("?");
const STAR = Symbol("*");

/** What a name must be like for a glob without "/" and without braces. Throws for a set that is not closed. */
export function namePattern(glob: string, fold: Fold): NamePattern {
  const tokens = tokensOf(glob, fold);
  const texts = tokens.filter((token) => typeof token === "string");
  if (texts.length === tokens.length) return { kind: "literal", text: texts.join("") };
  const stars = tokens.filter((token) => token === STAR);
  if (texts.length + stars.length === tokens.length)
    return { kind: "wild", means: chunkMatcher(texts, tokens[0] === STAR, tokens.at(-1) === STAR) };
  return { kind: "wild", means: tokenMatcher(tokens) };
}

/** Neighbouring ordinary characters make one token, and so do neighbouring stars. */
function tokensOf(glob: string, fold: Fold): Token[] {
  const tokens: Token[] = [];
  let text = "";
  const flush = () => {
    if (text !== "") tokens.push(fold(text));
    text = "";
  };
  for (let at = 0; at < glob.length; at += lengthAt(glob, at)) {
    const character = glob[at] ?? "";
    if (character === "\\") text += glob[at + 1] ?? "\\";
    else if (character !== "*" && character !== "?" && character !== "[") text += character;
    else {
      flush();
      if (character === "[") tokens.push({ set: folded(setAt(glob, at).holds, fold) });
      else if (character === "?") tokens.push(ONE);
      else if (tokens.at(-1) !== STAR) tokens.push(STAR);
    }
  }
  flush();
  return tokens;
}

/** `[abc]`, `[a-z]`, `[!a]`, `[^a]`. A `]` that comes first, and a `-` at an end, are ordinary characters. */
function setAt(glob: string, at: number): { length: number; holds: (character: string) => boolean } {
  const [whole, negation = "", body = ""] =
    /^\[([!^]?)((?:\\.|[^\\])(?:\\.|[^\]\\])*)\]/su.exec(glob.slice(at)) ?? [];
  if (whole === undefined) throw new Error("a [ is not closed");
  if (/\[[:.=]/.test(body)) throw new Error(`${whole}] is not understood: write [a-z] or [0-9]`);
  const members = [...body.matchAll(/(\\?.)(?:-(\\?.))?/gsu)].map(([, low = "", high = low]) => [
    codeOf(low),
    codeOf(high),
  ]);
  const isMember = (code: number) => members.some(([low = 0, high = 0]) => low <= code && code <= high);
  const wanted = negation === "";
  return {
    length: whole.length,
    holds: (character) => isMember(character.codePointAt(0) ?? 0) === wanted,
  };
}

/** Where letter case is forgotten, a set holds a letter in either case. */
function folded(holds: (character: string) => boolean, fold: Fold): (character: string) => boolean {
  if (fold === exactly) return holds;
  return (character) => [character, character.toLowerCase(), character.toUpperCase()].some(holds);
}

function codeOf(character: string): number {
  return character.replace(/^\\(?=.)/s, "").codePointAt(0) ?? 0;
}

/** For texts with stars between them, which is nearly every glob: each text is looked for once, from left to right. */
function chunkMatcher(
  texts: readonly string[],
  startsWithStar: boolean,
  endsWithStar: boolean,
): (name: string) => boolean {
  const between = [...texts];
  const prefix = startsWithStar ? "" : (between.shift() ?? "");
  const suffix = endsWithStar ? "" : (between.pop() ?? "");
  return (name) => {
    if (!name.endsWith(suffix) || !name.startsWith(prefix)) return false;
    let at = prefix.length;
    for (const text of between) {
      const found = name.indexOf(text, at);
      if (found === -1) return false;
      at = found + text.length;
    }
    return at <= name.length - suffix.length;
  };
}

/** The rest, character by character: when something does not fit, the last star takes one character more. */
function tokenMatcher(tokens: readonly Token[]): (name: string) => boolean {
  const wanted = tokens.flatMap((token): readonly Token[] =>
    typeof token === "string" ? [...token] : [token],
  );
  return (name) => {
    const characters = [...name];
    let at = 0;
    let next = 0;
    let star = -1;
    let starAt = 0;
    while (at < characters.length) {
      if (wanted[next] === STAR) {
        star = next;
        starAt = at;
        next += 1;
      } else if (next < wanted.length && fits(wanted[next], characters[at] ?? "")) {
        at += 1;
        next += 1;
      } else if (star !== -1) {
        starAt += 1;
        at = starAt;
        next = star + 1;
      } else return false;
    }
    while (wanted[next] === STAR) next += 1;
    return next === wanted.length;
  };
}

function fits(token: Token | undefined, character: string): boolean {
  if (typeof token === "object") return token.set(character);
  return token === ONE || token === character;
}
