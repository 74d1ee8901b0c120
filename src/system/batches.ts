/**
 * What comes, in lists that weigh `size` or little more; one that weighs more comes alone or last. What is no list is passed
 * on as it is, before what waits for its list to be full.
 */
export async function* batchesOf<One, Other extends object = never>(
  source: AsyncIterable<readonly One[] | Other>,
  size: number,
  weightOf: (one: One) => number,
): AsyncGenerator<One[] | Other> {
  let batch: One[] = [];
  let weight = 0;
  for await (const handful of source) {
    if (!isList(handful)) {
      yield handful;
      continue;
    }
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

/** Whether it is a list of what is weighed. */
export function isList<One, Other>(handful: readonly One[] | Other): handful is readonly One[] {
  return Array.isArray(handful);
}

/** What comes, each in a list of its own. */
export async function* oneByOne<One>(
  source: Iterable<One> | AsyncIterable<One>,
): AsyncGenerator<readonly One[]> {
  for await (const one of source) yield [one];
}
