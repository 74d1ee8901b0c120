/**
 * The candidate that was probably meant by a misspelt word, if one is near: at most a third of its letters
 * differ, and never more than three. Case, `_` and `-` do not count: `pid_files` means `pidFiles`.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const plain = plainForm(word);
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(plain, plainForm(candidate));
    const limit = Math.min(3, Math.floor(Math.max(plain.length, candidate.length) / 3));
    if (distance <= limit && distance < (best?.distance ?? Number.POSITIVE_INFINITY))
      best = { candidate, distance };
  }
  return best?.candidate;
}

function plainForm(word: string): string {
  return word.toLowerCase().replaceAll(/[_-]/g, "").slice(0, 64);
}

/** Damerau-Levenshtein (optimal string alignment): letters added, removed, changed or swapped with the next. */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let cost = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
      );
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) cost = Math.min(cost, at(beforeLast, column - 2) + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
