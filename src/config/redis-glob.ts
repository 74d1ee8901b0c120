/*
 * Redis's own globs, as stringmatchlen() in Redis's src/util.c reads them: over bytes, `*` `?` `[a-c]` `[^x]`
 * and `\`; an unclosed `[` ends with the pattern, a range may run backwards, `**` is `*`.
 */

/** What one byte of a key may be. */
type ByteSet = ReadonlySet<number>;
type Token = "any run" | ByteSet;

const ANY_BYTE: ByteSet = new Set(Array.from({ length: 256 }, (_, byte) => byte));

/** Whether the key is meant by the glob. Time grows with pattern times key, never faster. */
export function matchesRedisGlob(pattern: string, key: string): boolean {
  return tokensOverlap(tokensOf(pattern), tokensOfLiteral(key));
}

/** Whether any key at all is meant by both globs. Exact; time grows with the product of the lengths. */
export function redisGlobsOverlap(a: string, b: string): boolean {
  return tokensOverlap(tokensOf(a), tokensOf(b));
}

/** What follows a glob's last `*`, as a glob of fixed length; `undefined` when it has no `*`. */
export function tailAfterLastStar(pattern: string): string | undefined {
  const bytes = bytesOf(pattern);
  let tail: number | undefined;
  for (let at = 0; at < bytes.length; ) {
    const { token, next } = tokenAt(bytes, at);
    if (token === "any run") tail = next;
    at = next;
  }
  return tail === undefined ? undefined : Buffer.from(bytes.slice(tail)).toString("utf8");
}

/** Walks both patterns at once: the pairs of positions that some key can reach. */
function tokensOverlap(a: readonly Token[], b: readonly Token[]): boolean {
  const width = b.length + 1;
  const reached = new Uint8Array((a.length + 1) * width);
  reached[0] = 1;
  for (let i = 0; i <= a.length; i++) {
    for (let j = 0; j <= b.length; j++) {
      if (reached[i * width + j] !== 1) continue;
      for (const [down, right] of stepsFrom(a[i], b[j])) reached[(i + down) * width + j + right] = 1;
    }
  }
  return reached[a.length * width + b.length] === 1;
}

/** How far both patterns may move on: a run may end, or eat one byte of the other; two bytes must agree. */
function stepsFrom(left: Token | undefined, right: Token | undefined): readonly (readonly [0 | 1, 0 | 1])[] {
  if (left === "any run") return mayPass(right) ? [END_LEFT, EAT_RIGHT] : [END_LEFT];
  if (right === "any run") return mayPass(left) ? [END_RIGHT, EAT_LEFT] : [END_RIGHT];
  return left !== undefined && right !== undefined && intersect(left, right) ? [[1, 1]] : [];
}

/** Whether a run can go over this token: past another run, or past a byte that some byte satisfies. */
function mayPass(token: Token | undefined): boolean {
  return token === "any run" || (token !== undefined && token.size > 0);
}

const END_LEFT = [1, 0] as const;
const EAT_LEFT = END_LEFT;
const END_RIGHT = [0, 1] as const;
const EAT_RIGHT = END_RIGHT;

function intersect(a: ByteSet, b: ByteSet): boolean {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const byte of small) if (large.has(byte)) return true;
  return false;
}

function tokensOf(pattern: string): Token[] {
  const bytes = bytesOf(pattern);
  const tokens: Token[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { token, next } = tokenAt(bytes, at);
    tokens.push(token);
    at = next;
  }
  return tokens;
}

function tokensOfLiteral(key: string): Token[] {
  return bytesOf(key).map((byte) => new Set([byte]));
}

function tokenAt(bytes: readonly number[], at: number): { token: Token; next: number } {
  const byte = bytes[at];
  if (byte === STAR) return { token: "any run", next: at + 1 };
  if (byte === QUESTION) return { token: ANY_BYTE, next: at + 1 };
  if (byte === OPEN) return classAt(bytes, at + 1);
  const escaped = byte === BACKSLASH && at + 1 < bytes.length;
  const literal = bytes[escaped ? at + 1 : at];
  return { token: new Set(literal === undefined ? [] : [literal]), next: at + (escaped ? 2 : 1) };
}

/** A class from behind its `[`. Redis tests `\x`, then `]`, then `x-y`, in this order; `[a-]` is a range. */
function classAt(bytes: readonly number[], start: number): { token: ByteSet; next: number } {
  const members = new Set<number>();
  const negated = bytes[start] === CARET;
  let at = negated ? start + 1 : start;
  for (let byte = bytes[at]; byte !== undefined; byte = bytes[at]) {
    const second = bytes[at + 1];
    const third = bytes[at + 2];
    if (byte === BACKSLASH && second !== undefined) {
      members.add(second);
      at += 2;
    } else if (byte === CLOSE) {
      break;
    } else if (second === DASH && third !== undefined) {
      for (let one = Math.min(byte, third); one <= Math.max(byte, third); one++) members.add(one);
      at += 3;
    } else {
      members.add(byte);
      at += 1;
    }
  }
  const token = negated ? new Set([...ANY_BYTE].filter((byte) => !members.has(byte))) : members;
  return { token, next: Math.min(at + 1, bytes.length) };
}

function bytesOf(text: string): number[] {
  return [...Buffer.from(text, "utf8")];
}

const [STAR, QUESTION, OPEN, CLOSE, CARET, DASH, BACKSLASH] = bytesOf("*?[]^-\\");
