/** What comes, in lists that weigh `size` or little more; one that weighs more comes alone or last. */
export async function* batchesOf<One>(
  source: AsyncIterable<readonly One[]>,
  size: number,
  weightOf: (one: One) => number,
): AsyncGenerator<One[]> {
  let batch: One[] = [];
  let weight = 0;
  for await (const handful of source) {
    for (const one of handful) {
      batch.push(one);
      weight += weightOf(one);
      if (weight < size) continue;
      yield batch;
      batch = [];
      weight = 0;
    }
  }
  if (batch.length > 0) yield batch;
}

/** What comes, each in a list of its own. */
export async function* oneByOne<One>(
  source: Iterable<One> | AsyncIterable<One>,
): AsyncGenerator<readonly One[]> {
  for await (const one of source) yield [one];
}
