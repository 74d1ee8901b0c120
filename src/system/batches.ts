/** What comes, in lists of at most `size`. */
export async function* batchesOf<One>(
  source: Iterable<One> | AsyncIterable<One>,
  size: number,
): AsyncGenerator<One[]> {
  let batch: One[] = [];
  for await (const one of source) {
    batch.push(one);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
